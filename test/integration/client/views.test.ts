import { expect, test } from 'vitest';
import type { ConversationView } from '../../../src/index.ts';
import { until } from '../../helpers/client/app.ts';
import { slowFetch } from '../../helpers/client/slow-fetch.ts';
import { direct, sendNumbers, startWorld } from '../../helpers/client/world.ts';

const contents = (view: ConversationView): string =>
  view
    .getSnapshot()
    .messages.map(({ content }) => content)
    .join(' ');

test('a view shows the newest page, loads older ones back to the start, and jumps', async () => {
  const { joinAll } = await startWorld();
  const { alice, bob } = await joinAll('alice', 'bob');
  const conversationId = await direct(alice, bob);
  const sent = await sendNumbers(alice, conversationId, 1, 180);
  const view = bob.client.conversations.open(conversationId);
  expect(view.getSnapshot()).toMatchObject({ messages: [], loading: true, conversation: undefined });
  expect(view.getServerSnapshot()).toMatchObject({ messages: [], loading: true });
  await view.ready;
  expect(view.getSnapshot()).toMatchObject({
    loading: false,
    hasOlder: true,
    hasNewer: false,
    typing: [],
    conversation: { id: conversationId },
  });
  expect(view.getSnapshot().messages).toHaveLength(50);
  await view.loadOlder();
  expect(view.getSnapshot().messages.map(({ seq }) => seq)).toEqual(Array.from({ length: 100 }, (_, at) => at + 81));
  await view.jumpTo(sent[9]?.id ?? '');
  const far = view.getSnapshot();
  expect(far.messages.map(({ seq }) => seq)).toContain(10);
  expect(far.hasNewer).toBe(true);
  while (view.getSnapshot().hasNewer) await view.loadNewer();
  expect(view.getSnapshot().messages.map(({ seq }) => seq)).toEqual(
    Array.from(
      { length: view.getSnapshot().messages.length },
      (_, at) => at + 181 - view.getSnapshot().messages.length,
    ),
  );
  while (view.getSnapshot().hasOlder) await view.loadOlder();
  expect(view.getSnapshot().messages).toHaveLength(180);
  expect(Object.isFrozen(view.getSnapshot())).toBe(true);
  expect(Object.isFrozen(view.getSnapshot().messages)).toBe(true);
});

test('jumping to an unknown message is NOT_FOUND', async () => {
  const { joinAll } = await startWorld();
  const { alice, bob } = await joinAll('alice', 'bob');
  const view = alice.client.conversations.open(await direct(alice, bob));
  await view.ready;
  await expect(view.jumpTo('999999')).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('a view may be opened before connect() and is ready once connected', async () => {
  const { join, app } = await startWorld();
  const bob = await join('bob');
  const { id } = await bob.client.conversations.create({ type: 'direct', participantIds: ['alice'] });
  await sendNumbers(bob, id, 1, 1);
  const alice = app('alice');
  const view = alice.client.conversations.open(id);
  await alice.client.connect();
  await view.ready;
  expect(contents(view)).toBe('1');
});

test('a view of a conversation without membership has an error', async () => {
  const { joinAll } = await startWorld();
  const { alice } = await joinAll('alice');
  const view = alice.client.conversations.open('unknown');
  await expect(view.ready).rejects.toMatchObject({ code: 'NOT_FOUND' });
  expect(view.getSnapshot()).toMatchObject({ loading: false, error: { code: 'NOT_FOUND' } });
  await alice.client.conversations.list();
  expect(alice.errors).toEqual([]);
});

test('views are counted: the last close() ends it, and close() is idempotent', async () => {
  const { joinAll } = await startWorld();
  const { alice, bob } = await joinAll('alice', 'bob');
  const conversationId = await direct(alice, bob);
  const [first, second] = [
    bob.client.conversations.open(conversationId),
    bob.client.conversations.open(conversationId),
  ];
  await Promise.all([first.ready, second.ready]);
  first.close();
  first.close();
  await sendNumbers(alice, conversationId, 1, 1);
  await until(second, ({ messages }) => messages.length === 1);
  second.close();
  await sendNumbers(alice, conversationId, 2, 2);
  await bob.next('message:new', ({ content }) => content === '2');
  expect(contents(second)).toBe('1');
});

test('a view that is closed and opened again in one task, as in React, works', async () => {
  const { joinAll } = await startWorld();
  const { alice, bob } = await joinAll('alice', 'bob');
  const conversationId = await direct(alice, bob);
  const first = bob.client.conversations.open(conversationId);
  first.close();
  const second = bob.client.conversations.open(conversationId);
  await second.ready;
  await expect(first.ready).rejects.toMatchObject({ code: 'DISCONNECTED' });
  await sendNumbers(alice, conversationId, 1, 1);
  await until(second, ({ messages }) => messages.length === 1);
  expect(bob.port.sent.filter((name) => name === 'conversation:leave')).toEqual([]);
});

test('unchanged parts of the snapshot keep their identity', async () => {
  const { joinAll } = await startWorld();
  const { alice, bob } = await joinAll('alice', 'bob');
  const conversationId = await direct(alice, bob);
  const [one] = await sendNumbers(alice, conversationId, 1, 2);
  const view = bob.client.conversations.open(conversationId);
  await view.ready;
  const before = view.getSnapshot();
  await alice.client.messages.edit({ conversationId, messageId: one?.id ?? '', content: 'edited' });
  const after = await until(view, ({ messages }) => messages[0]?.content === 'edited');
  expect(after.messages[1]).toBe(before.messages[1]);
  expect(view.getSnapshot()).toBe(view.getSnapshot());
});

test('markRead() reads all messages and sends no receipt twice', async () => {
  const { joinAll } = await startWorld();
  const { alice, bob } = await joinAll('alice', 'bob');
  const conversationId = await direct(alice, bob);
  await sendNumbers(alice, conversationId, 1, 3);
  const view = bob.client.conversations.open(conversationId);
  await view.ready;
  expect(view.getSnapshot().conversation?.unreadCount).toBe(3);
  await view.markRead();
  await until(view, ({ conversation }) => conversation?.unreadCount === 0);
  await view.markRead();
  expect(bob.port.sent.filter((name) => name === 'message:read')).toHaveLength(1);
});

test('a view lists the users who are typing', async () => {
  const { joinAll } = await startWorld();
  const { alice, bob } = await joinAll('alice', 'bob');
  const conversationId = await direct(alice, bob);
  const views = [alice, bob].map(({ client }) => client.conversations.open(conversationId));
  await Promise.all(views.map(({ ready }) => ready));
  const [own, theirs] = views as [ConversationView, ConversationView];
  own.setTyping(true);
  await until(theirs, ({ typing }) => typing.join() === 'alice');
  own.setTyping(false);
  await until(theirs, ({ typing }) => typing.length === 0);
  expect(own.getSnapshot().typing).toEqual([]);
});

test('a view keeps pushes that arrive while its first page is loading', async () => {
  const { joinAll, join } = await startWorld();
  const { alice } = await joinAll('alice');
  const slow = slowFetch();
  const bob = await join('bob', { fetch: slow.fetch });
  const conversationId = await direct(alice, bob);
  const [first] = await sendNumbers(alice, conversationId, 1, 3);
  await bob.next('message:new', ({ content }) => content === '3');
  const page = slow.hold(/\/messages\?/);
  const view = bob.client.conversations.open(conversationId);
  await page.arrived;
  await sendNumbers(alice, conversationId, 4, 5);
  await alice.client.messages.edit({ conversationId, messageId: first?.id ?? '', content: 'edited' });
  await bob.next('message:updated');
  page.release();
  await view.ready;
  expect(contents(view)).toBe('edited 2 3 4 5');
  await sendNumbers(alice, conversationId, 6, 6);
  await until(view, ({ messages }) => messages.length === 6);
});

test('a view keeps changes to an older page that is loading', async () => {
  const { joinAll, join } = await startWorld();
  const { alice } = await joinAll('alice');
  const slow = slowFetch();
  const bob = await join('bob', { fetch: slow.fetch });
  const conversationId = await direct(alice, bob);
  const sent = await sendNumbers(alice, conversationId, 1, 60);
  const view = bob.client.conversations.open(conversationId);
  await view.ready;
  const page = slow.hold(/before=/);
  const loading = view.loadOlder();
  await page.arrived;
  await alice.client.messages.edit({ conversationId, messageId: sent[0]?.id ?? '', content: 'edited' });
  await alice.client.messages.delete({ conversationId, messageId: sent[1]?.id ?? '' });
  await alice.client.messages.react({ conversationId, messageId: sent[2]?.id ?? '', emoji: '👍' });
  await bob.next('message:reaction-update');
  page.release();
  await loading;
  const [edited, deleted, reacted] = view.getSnapshot().messages;
  expect([edited?.content, deleted?.content, reacted?.reactions?.length]).toEqual(['edited', '', 1]);
});

test('aborting a load does not affect another one of the same page', async () => {
  const { joinAll, join } = await startWorld();
  const { alice } = await joinAll('alice');
  const slow = slowFetch();
  const bob = await join('bob', { fetch: slow.fetch });
  const conversationId = await direct(alice, bob);
  await sendNumbers(alice, conversationId, 1, 60);
  const view = bob.client.conversations.open(conversationId);
  await view.ready;
  const page = slow.hold(/before=/);
  const controller = new AbortController();
  const first = view.loadOlder({ signal: controller.signal });
  const second = view.loadOlder();
  await page.arrived;
  controller.abort('enough');
  await expect(first).rejects.toBe('enough');
  page.release();
  await second;
  expect(view.getSnapshot().messages).toHaveLength(60);
});
