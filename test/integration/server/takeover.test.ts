import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { caller, startChat, type Chat } from '../../helpers/server/chat.ts';
import { makeLumenDatabase } from '../../helpers/server/lumen-database.ts';

describe('a database that LumenJS made', () => {
  let db: DatabaseSync;
  let chat: Chat;
  beforeEach(async () => {
    db = new DatabaseSync(':memory:');
    makeLumenDatabase(db);
    chat = await startChat({ db });
  });
  afterEach(() => db.close());

  test('has its messages in the order of time, then id, each with its place and revision', async () => {
    const messages = (await chat.history.list('ada', 'pair')).toReversed();
    expect(messages.map(({ id, seq, rev }) => [id, seq, rev])).toEqual([
      ['2', 1, 1],
      ['1', 2, 2],
      ['4', 3, 3],
      ['5', 4, 4],
      ['6', 5, 5],
      ['7', 6, 6],
    ]);
    expect((await chat.conversations.get(caller('ada'), 'pair')).head).toEqual({ seq: 6, rev: 6 });
    expect((await chat.conversations.get(caller('cleo'), 'crowd')).head).toEqual({ seq: 2, rev: 2 });
    expect((await chat.say('bob', 'pair', 'new')).seq).toBe(7);
  });

  test('has times in one format', async () => {
    expect((await chat.history.get('ada', '2')).createdAt).toBe('2024-03-01T08:00:01.000Z');
  });

  test('has its receipts as marks: unread counts and statuses follow', async () => {
    const forAda = await chat.conversations.get(caller('ada'), 'crowd');
    expect(forAda.unreadCount).toBe(0);
    // After bob's mark: 4 and 7, and 6, which was deleted; 5 is bob's own.
    expect((await chat.conversations.get(caller('bob'), 'pair')).unreadCount).toBe(2);
    const statuses = (await chat.history.list('ada', 'pair')).toReversed().map(({ id, status }) => [id, status]);
    expect(Object.fromEntries(statuses)).toMatchObject({ 1: 'read', 4: 'delivered', 5: 'sent', 7: 'sent' });
    expect((await chat.history.get('ada', '1')).readBy).toEqual([
      { userId: 'bob', readAt: '2024-03-01T08:30:00.000Z' },
    ]);
  });

  test('has its soft deletions as tombstones', async () => {
    const tombstone = await chat.history.get('ada', '6');
    expect(tombstone).toMatchObject({ content: '', deletedAt: '2024-03-01T09:00:00.000Z' });
    expect(tombstone).not.toHaveProperty('attachment');
  });

  test('has what is encrypted as it is, and never in the index', async () => {
    expect(await chat.history.get('ada', '7')).toMatchObject({ encrypted: true });
    expect(await chat.history.search('ada', { q: 'opaque' })).toEqual([]);
  });

  test('is searched like any other', async () => {
    const found = await chat.history.search('cleo', { q: 'hello' });
    expect(found.map(({ id }) => id)).toEqual(['8', '3']);
  });

  test('says where a message was forwarded from, and leaves out links that run code', async () => {
    const message = await chat.history.get('ada', '8');
    expect(message.forwardedFrom).toEqual({ conversationId: 'pair', messageId: '1' });
    expect(message).not.toHaveProperty('attachment');
  });

  test('gives a pair with two conversations the livelier one', async () => {
    const { conversation, created } = await chat.conversations.create(caller('bob'), {
      type: 'direct',
      participantIds: ['ada'],
    });
    expect([conversation.id, created]).toEqual(['pair', false]);
    expect(await chat.conversations.get(caller('bob'), 'pair-again')).toMatchObject({ id: 'pair-again' });
  });

  test('keeps reactions, each once, and those of messages that are gone no more', async () => {
    expect((await chat.history.get('ada', '1')).reactions).toEqual([{ emoji: '👍', count: 2, users: ['bob', 'ada'] }]);
    const rows = db.prepare('SELECT count(*) AS n FROM message_reactions').get();
    expect(rows).toMatchObject({ n: 2 });
  });

  test('keeps flags, and archives for each what was archived for all', async () => {
    expect(await chat.conversations.get(caller('bob'), 'pair')).toMatchObject({ pinned: true, muted: false });
    expect(await chat.conversations.get(caller('cleo'), 'crowd')).toMatchObject({ archived: true });
    expect(await chat.conversations.get(caller('cleo'), 'crowd')).not.toMatchObject({ pinned: true });
  });

  test('gets an owner for each group: the longest-serving member', async () => {
    const { participants } = await chat.conversations.get(caller('ada'), 'crowd');
    expect(participants.map(({ userId, role }) => [userId, role])).toEqual([
      ['cleo', 'owner'],
      ['ada', 'member'],
      ['bob', 'member'],
    ]);
  });

  test('shows nothing of rows that belong to no conversation', async () => {
    expect(await chat.conversations.list(caller('orphan'))).toEqual([]);
    expect(await chat.sync.sync(caller('orphan'), { cursors: {}, inboxRev: 0 })).toMatchObject({
      gained: [],
      heads: {},
    });
  });

  test('is all there for somebody who syncs for the first time', async () => {
    const found = await chat.sync.sync(caller('ada'), { cursors: {}, inboxRev: 0 });
    expect(found.gained.map(({ id }) => id)).toEqual(['crowd', 'pair', 'pair-again']);
  });
});
