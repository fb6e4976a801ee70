import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { caller, startChat, type Chat } from '../../helpers/server/chat.ts';
import { makeLumenDatabase } from '../../helpers/server/lumen-database.ts';

describe('a database created by LumenJS', () => {
  let db: DatabaseSync;
  let chat: Chat;
  beforeEach(async () => {
    db = new DatabaseSync(':memory:');
    makeLumenDatabase(db);
    chat = await startChat({ db });
  });
  afterEach(() => db.close());

  test('messages are ordered by time, then id, and get seq and rev', async () => {
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

  test('times have one format', async () => {
    expect((await chat.history.get('ada', '2')).createdAt).toBe('2024-03-01T08:00:01.000Z');
  });

  test('receipts become markers, from which unread counts and statuses follow', async () => {
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

  test('a receipt that LumenJS writes afterwards advances the marker', async () => {
    const before = await chat.sync.sync(caller('bob'), { cursors: {}, inboxRev: 0 });
    db.exec(
      "INSERT OR IGNORE INTO read_receipts (message_id, user_id, read_at) VALUES (7, 'bob', '2025-01-01 00:00:00')",
    );
    const reopened = await startChat({ db });
    expect((await reopened.conversations.get(caller('bob'), 'pair')).unreadCount).toBe(0);
    expect((await reopened.history.get('ada', '7')).readBy).toEqual([
      { userId: 'bob', readAt: '2025-01-01T00:00:00.000Z' },
    ]);
    expect((await reopened.history.get('ada', '7')).status).toBe('read');
    const { reads } = await reopened.sync.sync(caller('bob'), { cursors: {}, inboxRev: before.inboxRev });
    expect(reads).toMatchObject([{ conversationId: 'pair', lastReadSeq: 6, unreadCount: 0 }]);
  });

  test('receipts that were written before the markers followed them are caught up with', async () => {
    db.exec('DROP TRIGGER comm_receipt_written; DELETE FROM comm_migrations WHERE version >= 9');
    db.exec('ALTER TABLE comm_mailbox DROP COLUMN session_id');
    db.exec('DROP TRIGGER comm_file_message_deleted; DROP TABLE comm_file_references');
    db.exec('DROP TABLE comm_files; DROP TABLE comm_file_secret; DROP TABLE comm_calls');
    db.exec('DROP INDEX comm_messages_pinned; DROP TABLE comm_reports');
    db.exec('DROP TABLE comm_profiles; DROP TABLE comm_profile_words; DROP TABLE comm_blocks');
    db.exec('DROP INDEX comm_participants_active; DROP TRIGGER comm_participant_active');
    for (const change of ['active', 'created', 'deleted']) db.exec(`DROP TRIGGER comm_conversation_${change}`);
    db.exec('DROP INDEX comm_conversations_public; DROP TABLE comm_bans; DROP TRIGGER comm_conversation_configured');
    db.exec('DROP TABLE comm_threads; DROP TABLE comm_thread_follows; DROP TABLE comm_mentions');
    db.exec('DROP TABLE comm_user_bans; DROP TABLE comm_call_users; DROP TABLE comm_call_requests');
    db.exec('DROP TABLE comm_call_signals; DROP TABLE comm_call_processes');
    db.exec('DROP TRIGGER comm_own_position_ended; DROP INDEX comm_messages_main');
    db.exec('DROP INDEX comm_messages_thread; DROP INDEX comm_messages_thread_live');
    for (const change of ['joined', 'left', 'changed']) db.exec(`DROP TRIGGER comm_members_${change}`);
    db.exec("INSERT INTO read_receipts (message_id, user_id, read_at) VALUES (7, 'bob', '2025-01-01 00:00:00')");
    const reopened = await startChat({ db });
    expect((await reopened.conversations.get(caller('bob'), 'pair')).unreadCount).toBe(0);
    expect((await reopened.conversations.get(caller('cleo'), 'crowd')).unreadCount).toBe(1);
  });

  test('soft deletions become tombstones', async () => {
    const tombstone = await chat.history.get('ada', '6');
    expect(tombstone).toMatchObject({ content: '', deletedAt: '2024-03-01T09:00:00.000Z' });
    expect(tombstone).not.toHaveProperty('attachment');
  });

  test("encrypted content stays as it is and isn't indexed", async () => {
    expect(await chat.history.get('ada', '7')).toMatchObject({ encrypted: true });
    expect(await chat.history.search('ada', { q: 'opaque' })).toEqual([]);
  });

  test('messages are searchable', async () => {
    const found = await chat.history.search('cleo', { q: 'hello' });
    expect(found.map(({ id }) => id)).toEqual(['8', '3']);
  });

  test('forwarded messages name their origin, and links that run code are omitted', async () => {
    const message = await chat.history.get('ada', '8');
    expect(message.forwardedFrom).toEqual({ conversationId: 'pair', messageId: '1' });
    expect(message).not.toHaveProperty('attachment');
  });

  test('of two conversations of a pair, the more active one is the direct conversation', async () => {
    const { conversation, created } = await chat.conversations.create(caller('bob'), {
      type: 'direct',
      participantIds: ['ada'],
    });
    expect([conversation.id, created]).toEqual(['pair', false]);
    expect(await chat.conversations.get(caller('bob'), 'pair-again')).toMatchObject({ id: 'pair-again' });
  });

  test('reactions are kept once, and those of deleted messages are removed', async () => {
    expect((await chat.history.get('ada', '1')).reactions).toEqual([{ emoji: '👍', count: 2, users: ['bob', 'ada'] }]);
    const rows = db.prepare('SELECT count(*) AS n FROM message_reactions').get();
    expect(rows).toMatchObject({ n: 2 });
  });

  test('flags are kept, and archived conversations are archived for each member', async () => {
    expect(await chat.conversations.get(caller('bob'), 'pair')).toMatchObject({ pinned: true, muted: false });
    expect(await chat.conversations.get(caller('cleo'), 'crowd')).toMatchObject({ archived: true });
    expect(await chat.conversations.get(caller('cleo'), 'crowd')).not.toMatchObject({ pinned: true });
  });

  test('each group gets an owner: the member with the longest membership', async () => {
    const { participants } = await chat.conversations.get(caller('ada'), 'crowd');
    expect(participants.map(({ userId, role }) => [userId, role])).toEqual([
      ['cleo', 'owner'],
      ['ada', 'member'],
      ['bob', 'member'],
    ]);
  });

  test('rows without a conversation are not visible', async () => {
    expect(await chat.conversations.list(caller('orphan'))).toEqual([]);
    expect(await chat.sync.sync(caller('orphan'), { cursors: {}, inboxRev: 0 })).toMatchObject({
      gained: [],
      heads: {},
    });
  });

  test('a first sync returns everything', async () => {
    const found = await chat.sync.sync(caller('ada'), { cursors: {}, inboxRev: 0 });
    expect(found.gained.map(({ id }) => id)).toEqual(['crowd', 'pair', 'pair-again']);
  });
});
