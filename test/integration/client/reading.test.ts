import { describe, expect, test } from 'vitest';
import type { Message } from '../../../src/index.ts';
import { until } from '../../helpers/client/app.ts';
import { codeOf } from '../../helpers/client/rejection.ts';
import { chat } from '../../helpers/client/world.ts';

const contents = (messages: readonly Message[]): string[] =>
  messages.map(({ content }) => content.replace('message ', ''));

describe('messages.list', () => {
  test('list() returns pages oldest first, with hasOlder and hasNewer', async () => {
    const { alice, conversationId, sent } = await chat(10);
    const list = (query: { limit?: number; before?: string; after?: string; around?: string } = {}) =>
      alice.client.messages.list({ conversationId, ...query });
    const id = (seq: number): string => sent[seq - 1]?.id ?? '';
    const brief = async (page: ReturnType<typeof list>): Promise<unknown> => {
      const { messages, hasOlder, hasNewer } = await page;
      return [contents(messages).join(' '), hasOlder, hasNewer];
    };
    expect(await brief(list())).toEqual(['1 2 3 4 5 6 7 8 9 10', false, false]);
    expect(await brief(list({ limit: 3 }))).toEqual(['8 9 10', true, false]);
    expect(await brief(list({ limit: 10 }))).toEqual(['1 2 3 4 5 6 7 8 9 10', false, false]);
    expect(await brief(list({ limit: 3, before: id(8) }))).toEqual(['5 6 7', true, true]);
    expect(await brief(list({ limit: 3, before: id(3) }))).toEqual(['1 2', false, true]);
    expect(await brief(list({ before: id(1) }))).toEqual(['', false, true]);
    expect(await brief(list({ limit: 3, after: id(2) }))).toEqual(['3 4 5', true, true]);
    expect(await brief(list({ limit: 3, after: id(7) }))).toEqual(['8 9 10', true, false]);
    expect(await brief(list({ after: id(10) }))).toEqual(['', true, false]);
    const [around] = (await brief(list({ limit: 5, around: id(5) }))) as [string];
    expect(around.split(' ')).toContain('5');
    expect(await brief(list({ around: id(5) }))).toEqual(['1 2 3 4 5 6 7 8 9 10', false, false]);
  });

  test('conversations and messages of others are NOT_FOUND, as unknown ones', async () => {
    const { alice, join, conversationId } = await chat(1);
    const carol = await join('carol');
    expect(await codeOf(carol.client.messages.list({ conversationId }))).toBe('NOT_FOUND');
    expect(await codeOf(alice.client.messages.list({ conversationId: 'unknown' }))).toBe('NOT_FOUND');
    expect(await codeOf(alice.client.messages.list({ conversationId, before: '999999' }))).toBe('NOT_FOUND');
  });
});

describe('messages', () => {
  test('get() and search() return only messages that the user may see', async () => {
    const { alice, bob, join, conversationId, sent } = await chat(3);
    expect(await bob.client.messages.get(sent[1]?.id ?? '')).toMatchObject({ content: 'message 2' });
    const other = await bob.client.messages.send({ conversationId, content: 'The quick brown fox' });
    expect((await alice.client.messages.search({ query: 'quick bro' })).map(({ id }) => id)).toEqual([other.id]);
    expect((await alice.client.messages.search({ query: 'quick', conversationId })).map(({ id }) => id)).toEqual([
      other.id,
    ]);
    expect(await alice.client.messages.search({ query: 'message', limit: 2 })).toHaveLength(2);
    expect(await alice.client.messages.search({ query: '  ' })).toEqual([]);
    expect(await alice.client.messages.search({ query: '"* OR (' })).toEqual([]);
    const carol = await join('carol');
    expect(await carol.client.messages.search({ query: 'quick' })).toEqual([]);
    expect(await codeOf(carol.client.messages.get(other.id))).toBe('NOT_FOUND');
  });

  test('only the sender edits and deletes a message, and delete() is idempotent', async () => {
    const { alice, bob, conversationId, sent } = await chat(1);
    const messageId = sent[0]?.id ?? '';
    expect(await codeOf(bob.client.messages.edit({ conversationId, messageId, content: 'x' }))).toBe('FORBIDDEN');
    expect(await codeOf(bob.client.messages.delete({ conversationId, messageId }))).toBe('FORBIDDEN');
    await alice.client.messages.delete({ conversationId, messageId });
    await alice.client.messages.delete({ conversationId, messageId });
    expect(await codeOf(alice.client.messages.edit({ conversationId, messageId, content: 'x' }))).toBe('CONFLICT');
    expect(await codeOf(alice.client.messages.react({ conversationId, messageId, emoji: '👍' }))).toBe('CONFLICT');
  });

  test('react() toggles the reaction to a held message, and `on` sets it', async () => {
    const { alice, conversationId, sent } = await chat(1);
    const view = alice.client.conversations.open(conversationId);
    await view.ready;
    const ref = { conversationId, messageId: sent[0]?.id ?? '', emoji: '👍' };
    const reactions = (count: number) => until(view, ({ messages }) => (messages[0]?.reactions?.length ?? 0) === count);
    await alice.client.messages.react(ref);
    await reactions(1);
    await alice.client.messages.react(ref);
    await reactions(0);
    await alice.client.messages.react({ ...ref, on: true });
    await reactions(1);
    await alice.client.messages.react({ ...ref, on: true });
    await alice.client.messages.react({ ...ref, on: false });
    await reactions(0);
  });

  test('markRead() of an unknown message is rejected', async () => {
    const { alice, conversationId } = await chat();
    expect(await codeOf(alice.client.messages.markRead({ conversationId, messageId: '999999' }))).toBe('NOT_FOUND');
  });
});
