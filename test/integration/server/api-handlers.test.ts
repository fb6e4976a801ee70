import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Conversation } from '../../../src/protocol/conversations.ts';
import { createCommunicationApiHandlers, type CommunicationApiHandlers } from '../../../src/server/api-handlers.ts';
import { coreOf } from '../../../src/server/core.ts';
import { caller } from '../../helpers/server/chat.ts';

describe('the functions for an app’s own routes', () => {
  let db: DatabaseSync;
  let api: CommunicationApiHandlers;
  let conversation: Conversation;
  let ids: string[];
  beforeEach(async () => {
    db = new DatabaseSync(':memory:');
    api = createCommunicationApiHandlers(db);
    conversation = await api.createConversation({ type: 'group', name: 'Crowd', participantIds: ['ada', 'bob'] });
    const { sending } = coreOf({ db }).services;
    ids = [];
    for (const content of ['one', 'two', 'three']) {
      const sent = await sending.send(caller('ada'), { conversationId: conversation.id, content, type: 'text' });
      ids.push(sent.id);
    }
  });
  afterEach(() => {
    coreOf({ db }).close();
    db.close();
  });

  test('a conversation is owned by the first participant', () => {
    expect(conversation).toMatchObject({ type: 'group', name: 'Crowd' });
    expect(conversation.participants.map(({ userId, role }) => [userId, role])).toEqual([
      ['ada', 'owner'],
      ['bob', 'member'],
    ]);
  });

  test('a pair’s direct conversation is made once', async () => {
    const first = await api.createConversation({ type: 'direct', participantIds: ['ada', 'bob'] });
    expect(await api.createConversation({ type: 'direct', participantIds: ['bob', 'ada'] })).toMatchObject({
      id: first.id,
    });
  });

  test.each([
    [{ type: 'group', participantIds: [] }],
    [{ type: 'direct', participantIds: ['ada'] }],
    [{ type: 'channel', participantIds: ['ada'] }],
    [{ type: 'group', participantIds: [''] }],
  ])('%j is no conversation', async (wanted) => {
    await expect(api.createConversation(wanted as never)).rejects.toMatchObject({ code: 'INVALID' });
  });

  test('conversations of a user come with unread counts', async () => {
    expect(await api.getConversations('bob')).toMatchObject([{ id: conversation.id, unreadCount: 3 }]);
    expect(await api.getConversations('bob', { limit: 1, offset: 1 })).toEqual([]);
    expect(await api.getConversations('eve')).toEqual([]);
  });

  test('messages come newest first, before an id or a time', async () => {
    const contents = async (options?: Parameters<typeof api.getMessages>[1]) =>
      (await api.getMessages(conversation.id, options)).map(({ content }) => content);
    expect(await contents()).toEqual(['three', 'two', 'one']);
    expect(await contents({ limit: 1, before: ids[2] })).toEqual(['two']);
    expect(await contents({ before: '2000-01-01T00:00:00.000Z' })).toEqual([]);
  });

  test('given a user, only what that user may see', async () => {
    expect(await api.getMessages(conversation.id, { userId: 'bob' })).toHaveLength(3);
    expect(await api.getMessages(conversation.id, { userId: 'eve' })).toEqual([]);
    expect(await api.searchMessages('two', { userId: 'bob' })).toHaveLength(1);
    expect(await api.searchMessages('two', { userId: 'eve' })).toEqual([]);
    expect(await api.searchMessages('two', { userId: 'eve', conversationId: conversation.id })).toEqual([]);
    expect(await api.getMessage(ids[0] ?? '', { userId: 'bob' })).toMatchObject({ content: 'one' });
    expect(await api.getMessage(ids[0] ?? '', { userId: 'eve' })).toBeUndefined();
  });

  test('without one, everything: the app has checked', async () => {
    expect(await api.searchMessages('two', { conversationId: conversation.id, limit: 5 })).toMatchObject([
      { content: 'two' },
    ]);
    expect(await api.getMessage(ids[1] ?? '')).toMatchObject({ content: 'two', senderId: 'ada' });
    expect(await api.getMessage('999')).toBeUndefined();
    expect(await api.getMessages('nowhere')).toEqual([]);
  });

  test('deleting says whether it did', async () => {
    const id = ids[0] ?? '';
    expect(await api.deleteMessage(id, 'bob')).toMatchObject({ changes: 0 });
    expect(await api.deleteMessage(id, 'eve')).toMatchObject({ changes: 0 });
    expect(await api.deleteMessage('999', 'ada')).toMatchObject({ changes: 0 });
    expect(await api.getMessage(id)).toMatchObject({ content: 'one' });
    expect(await api.deleteMessage(id, 'ada')).toMatchObject({ changes: 1 });
    expect(await api.deleteMessage(id, 'ada')).toMatchObject({ changes: 0 });
    expect(await api.getMessage(id)).toMatchObject({ content: '' });
  });
});
