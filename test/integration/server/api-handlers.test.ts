import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Conversation } from '../../../src/protocol/conversations.ts';
import { createCommunicationApiHandlers, type CommunicationApiHandlers } from '../../../src/server/api-handlers.ts';
import { serverCoreFor } from '../../../src/server/server-core.ts';
import { caller } from '../../helpers/server/chat.ts';

describe('createCommunicationApiHandlers', () => {
  let db: DatabaseSync;
  let api: CommunicationApiHandlers;
  let conversation: Conversation;
  let ids: string[];
  beforeEach(async () => {
    db = new DatabaseSync(':memory:');
    api = createCommunicationApiHandlers(db);
    conversation = await api.createConversation({ type: 'group', name: 'Crowd', participantIds: ['ada', 'bob'] });
    const { sending } = serverCoreFor({ db }).services;
    ids = [];
    for (const content of ['one', 'two', 'three']) {
      const sent = await sending.send(caller('ada'), { conversationId: conversation.id, content, type: 'text' });
      ids.push(sent.id);
    }
  });
  afterEach(() => {
    serverCoreFor({ db }).close();
    db.close();
  });

  test('createConversation makes the first participant the owner', () => {
    expect(conversation).toMatchObject({ type: 'group', name: 'Crowd' });
    expect(conversation.participants.map(({ userId, role }) => [userId, role])).toEqual([
      ['ada', 'owner'],
      ['bob', 'member'],
    ]);
  });

  test('createConversation returns an existing direct conversation', async () => {
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
  ])('createConversation rejects %j', async (wanted) => {
    await expect(api.createConversation(wanted as never)).rejects.toMatchObject({ code: 'INVALID' });
  });

  test('a direct conversation without the caller is rejected with what is missing', async () => {
    await expect(api.createConversation({ type: 'direct', participantIds: ['bob'] })).rejects.toMatchObject({
      code: 'INVALID',
      message:
        "participantIds of a direct conversation must contain the ids of both users, the caller's own included; got 1",
    });
  });

  test.each([Number.NaN, 1.5, -1, 0, Infinity])('the limit and offset %d count as absent', async (number) => {
    expect(await api.getConversations('bob', { limit: number, offset: number })).toHaveLength(1);
    expect(await api.getMessages(conversation.id, { limit: number })).toHaveLength(3);
    expect(await api.searchMessages('t', { limit: number })).toHaveLength(2);
  });

  test('getConversations returns unread counts', async () => {
    expect(await api.getConversations('bob')).toMatchObject([{ id: conversation.id, unreadCount: 3 }]);
    expect(await api.getConversations('bob', { limit: 1, offset: 1 })).toEqual([]);
    expect(await api.getConversations('eve')).toEqual([]);
  });

  test('getMessages returns messages newest first, before an id or a time', async () => {
    const contents = async (options?: Parameters<typeof api.getMessages>[1]) =>
      (await api.getMessages(conversation.id, options)).map(({ content }) => content);
    expect(await contents()).toEqual(['three', 'two', 'one']);
    expect(await contents({ limit: 1, before: ids[2] })).toEqual(['two']);
    expect(await contents({ before: '2000-01-01T00:00:00.000Z' })).toEqual([]);
  });

  test('with a userId, only data that the user may read is returned', async () => {
    expect(await api.getMessages(conversation.id, { userId: 'bob' })).toHaveLength(3);
    expect(await api.getMessages(conversation.id, { userId: 'eve' })).toEqual([]);
    expect(await api.searchMessages('two', { userId: 'bob' })).toHaveLength(1);
    expect(await api.searchMessages('two', { userId: 'eve' })).toEqual([]);
    expect(await api.searchMessages('two', { userId: 'eve', conversationId: conversation.id })).toEqual([]);
    expect(await api.getMessage(ids[0] ?? '', { userId: 'bob' })).toMatchObject({ content: 'one' });
    expect(await api.getMessage(ids[0] ?? '', { userId: 'eve' })).toBeUndefined();
  });

  test('without a userId, no permission is checked', async () => {
    expect(await api.searchMessages('two', { conversationId: conversation.id, limit: 5 })).toMatchObject([
      { content: 'two' },
    ]);
    expect(await api.getMessage(ids[1] ?? '')).toMatchObject({ content: 'two', senderId: 'ada' });
    expect(await api.getMessage('999')).toBeUndefined();
    expect(await api.getMessages('nowhere')).toEqual([]);
  });

  test('deleteMessage reports whether a message was deleted', async () => {
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
