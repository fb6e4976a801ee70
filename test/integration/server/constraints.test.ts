import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ensureCommunicationTables } from '../../../src/server/store/engine/migrate.ts';

describe('constraints of the tables', () => {
  let db: DatabaseSync;
  beforeEach(() => {
    db = new DatabaseSync(':memory:');
    void ensureCommunicationTables(db);
  });
  afterEach(() => db.close());

  const rows = (sql: string) =>
    db
      .prepare(sql)
      .all()
      .map((row) => ({ ...row }));

  test('the tables exist when the call returns on a synchronous driver', () => {
    expect(rows("SELECT count(*) AS n FROM sqlite_master WHERE name IN ('conversations', 'messages')")).toEqual([
      { n: 2 },
    ]);
  });

  test('a conversation is either direct or a group', () => {
    db.exec("INSERT INTO conversations (id, type) VALUES ('d', 'direct'), ('g', 'group')");
    expect(() => db.exec("INSERT INTO conversations (id, type) VALUES ('x', 'channel')")).toThrow(/CHECK/);
  });

  test('deleting a conversation deletes its rows in other tables', () => {
    db.exec(`
      INSERT INTO conversations (id, type) VALUES ('c', 'group');
      INSERT INTO conversation_participants (conversation_id, user_id) VALUES ('c', 'ada');
      INSERT INTO messages (conversation_id, sender_id, content) VALUES ('c', 'ada', 'hi');
      INSERT INTO read_receipts (message_id, user_id) VALUES (1, 'ada');
      INSERT INTO message_reactions (message_id, user_id, emoji) VALUES (1, 'ada', 'x');
      DELETE FROM conversations;
    `);
    for (const table of ['conversation_participants', 'messages', 'read_receipts', 'message_reactions']) {
      expect(rows(`SELECT count(*) AS n FROM ${table}`)).toEqual([{ n: 0 }]);
    }
    expect(rows('SELECT user_id, conversation_id FROM comm_departures')).toEqual([
      { user_id: 'ada', conversation_id: 'c' },
    ]);
  });

  test('deleting a bundle deletes its one-time prekeys', () => {
    db.exec(`
      INSERT INTO encryption_keys (user_id, identity_key, signed_pre_key_id, signed_pre_key, signed_pre_key_signature)
        VALUES ('ada', 'i', 1, 's', 'sig');
      INSERT INTO encryption_prekeys (user_id, key_id, public_key) VALUES ('ada', 1, 'p');
      DELETE FROM encryption_keys;
    `);
    expect(rows('SELECT * FROM encryption_prekeys')).toEqual([]);
  });

  test('a message without a conversation is rejected', () => {
    const insert = "INSERT INTO messages (conversation_id, sender_id) VALUES ('nowhere', 'ada')";
    expect(() => db.exec(insert)).toThrow(/FOREIGN KEY/);
  });

  test('a sender uses a client id once, and a position is used once', () => {
    db.exec("INSERT INTO conversations (id, type) VALUES ('c', 'group')");
    const insert = (seq: number, clientId: string) =>
      db.exec(`INSERT INTO messages (conversation_id, sender_id, seq, rev, client_id)
        VALUES ('c', 'ada', ${seq}, ${seq}, '${clientId}')`);
    insert(1, 'a');
    expect(() => insert(2, 'a')).toThrow(/UNIQUE/);
    expect(() => insert(1, 'b')).toThrow(/UNIQUE/);
  });
});

describe("rows written by the app's own SQL", () => {
  let db: DatabaseSync;
  beforeEach(() => {
    db = new DatabaseSync(':memory:');
    void ensureCommunicationTables(db);
    db.exec("INSERT INTO conversations (id, type) VALUES ('c', 'direct')");
  });
  afterEach(() => db.close());

  const one = (sql: string) => ({ ...db.prepare(sql).get() });

  test('messages get seq and rev', () => {
    db.exec(
      "INSERT INTO messages (conversation_id, sender_id, content) VALUES ('c', 'ada', 'one'), ('c', 'bob', 'two')",
    );
    db.exec("INSERT INTO messages (conversation_id, sender_id, content) VALUES ('c', 'ada', 'three')");
    expect(
      db
        .prepare('SELECT seq, rev, sender_seq FROM messages ORDER BY id')
        .all()
        .map((row) => ({ ...row })),
    ).toEqual([
      { seq: 1, rev: 1, sender_seq: 1 },
      { seq: 2, rev: 2, sender_seq: 1 },
      { seq: 3, rev: 3, sender_seq: 2 },
    ]);
    expect(one('SELECT seq, rev FROM conversations')).toEqual({ seq: 3, rev: 3 });
  });

  test('an edit gets a new rev', () => {
    db.exec("INSERT INTO messages (conversation_id, sender_id, content) VALUES ('c', 'ada', 'one')");
    db.exec("UPDATE messages SET content = 'uno', updated_at = datetime('now') WHERE id = 1");
    expect(one('SELECT seq, rev, deleted_at FROM messages')).toEqual({ seq: 1, rev: 2, deleted_at: null });
    expect(one('SELECT seq, rev FROM conversations')).toEqual({ seq: 1, rev: 2 });
  });

  test("the framework's soft deletion becomes a tombstone", () => {
    db.exec("INSERT INTO messages (conversation_id, sender_id, content) VALUES ('c', 'ada', 'one')");
    db.exec("UPDATE messages SET content = '', type = 'system', updated_at = '2024-01-01 00:00:00' WHERE id = 1");
    expect(one('SELECT rev, deleted_at FROM messages')).toEqual({ rev: 2, deleted_at: '2024-01-01 00:00:00' });
  });

  test('members join with the history read, and the pair of a direct conversation is set', () => {
    db.exec("INSERT INTO messages (conversation_id, sender_id, content) VALUES ('c', 'ada', 'one')");
    db.exec("INSERT INTO conversation_participants (conversation_id, user_id) VALUES ('c', 'bob'), ('c', 'ada')");
    expect(one('SELECT last_read_seq, inbox_rev, joined_inbox_rev FROM conversation_participants')).toEqual({
      last_read_seq: 1,
      inbox_rev: 1,
      joined_inbox_rev: 1,
    });
    expect(one('SELECT direct_key FROM conversations')).toEqual({ direct_key: '["ada","bob"]' });
  });

  test('a second conversation of a pair gets no direct key, also with OR REPLACE', () => {
    db.exec("INSERT INTO conversation_participants (conversation_id, user_id) VALUES ('c', 'bob'), ('c', 'ada')");
    db.exec("INSERT INTO conversations (id, type) VALUES ('d', 'direct')");
    db.exec(
      "INSERT OR REPLACE INTO conversation_participants (conversation_id, user_id) VALUES ('d', 'bob'), ('d', 'ada')",
    );
    expect(one("SELECT direct_key FROM conversations WHERE id = 'd'")).toEqual({ direct_key: null });
    expect(one('SELECT count(*) AS n FROM conversations')).toEqual({ n: 2 });
  });

  test('deleting a participant records a departure, and rejoining removes it', () => {
    db.exec("INSERT INTO conversation_participants (conversation_id, user_id) VALUES ('c', 'bob')");
    db.exec('DELETE FROM conversation_participants');
    expect(one('SELECT inbox_rev FROM comm_departures')).toEqual({ inbox_rev: 2 });
    db.exec("INSERT INTO conversation_participants (conversation_id, user_id) VALUES ('c', 'bob')");
    expect(one('SELECT count(*) AS n FROM comm_departures')).toEqual({ n: 0 });
  });

  test('renaming a conversation advances rev', () => {
    db.exec("UPDATE conversations SET name = 'New'");
    expect(one('SELECT rev FROM conversations')).toEqual({ rev: 1 });
  });
});
