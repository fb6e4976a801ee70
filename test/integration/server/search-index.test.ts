import { DatabaseSync } from 'node:sqlite';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { caller, startChat, type Chat } from '../../helpers/server/chat.ts';
import { watchStatements } from '../../helpers/server/watch-statements.ts';

describe('the full-text index', () => {
  let chat: Chat;
  let db: DatabaseSync;
  let conversationId: string;
  let transactions: number;
  beforeEach(async () => {
    db = new DatabaseSync(':memory:');
    watchStatements(db, (sql) => {
      if (sql === 'BEGIN IMMEDIATE') transactions += 1;
    });
    chat = await startChat({ db });
    ({ id: conversationId } = await chat.direct('ada', 'bob'));
  });
  afterEach(() => db.close());

  const inIndex = (word: string) =>
    db.prepare('SELECT rowid FROM comm_messages_search WHERE comm_messages_search MATCH ?').all(word).length;
  const found = async (q: string) => (await chat.history.search('ada', { q })).map(({ content }) => content);
  const insert = (content: string, id: number | null = null) =>
    db
      .prepare("INSERT INTO messages (id, conversation_id, sender_id, content) VALUES (?, ?, 'bob', ?)")
      .run(id, conversationId, content);

  test("sending doesn't update it, and a search sees all messages", async () => {
    await chat.say('ada', conversationId, 'hello');
    expect(inIndex('hello')).toBe(0);
    expect(await found('hello')).toEqual(['hello']);
    expect(inIndex('hello')).toBe(1);
  });

  test('it is updated in steps', async () => {
    db.exec(`
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
      INSERT INTO messages (conversation_id, sender_id, content) SELECT '${conversationId}', 'bob', 'word' || i FROM n;
    `);
    transactions = 0;
    expect(await found('word1000')).toEqual(['word1000']);
    expect(await found('word1')).toHaveLength(50);
    expect(inIndex('word7')).toBe(1);
    expect(transactions).toBeGreaterThan(3);
  });

  test('its parts are merged when nothing is written', async () => {
    const parts = () => db.prepare('SELECT count(DISTINCT segid) AS n FROM comm_messages_search_idx').get()?.['n'];
    db.exec("INSERT INTO comm_messages_search (comm_messages_search, rank) VALUES ('automerge', 0)");
    for (let index = 0; index < 12; index += 1) {
      insert(`number ${index}`);
      await found('number');
    }
    expect(parts()).toBe(12);
    await chat.say('ada', conversationId, 'last');
    // The first of these was set by an earlier write.
    for (let idle = 0; idle < 2; idle += 1) chat.clock.advance(500);
    for (let turn = 0; turn < 50; turn += 1) await setImmediate();
    expect(parts()).toBeLessThan(6);
    expect(await found('number')).toHaveLength(12);
    expect(await found('last')).toEqual(['last']);
  });

  test('nothing is written when it is up to date', async () => {
    await chat.say('ada', conversationId, 'hello');
    await found('hello');
    const before = db.prepare('SELECT total_changes() AS n').get();
    await found('hello');
    expect(db.prepare('SELECT total_changes() AS n').get()).toEqual(before);
  });

  test("it contains what the app's own SQL wrote, changed and deleted, before and after indexing", async () => {
    insert('first');
    db.exec("UPDATE messages SET content = 'premier'");
    expect(await found('first')).toEqual([]);
    expect(await found('premier')).toEqual(['premier']);
    db.exec("UPDATE messages SET content = 'uno'");
    expect(await found('premier')).toEqual([]);
    expect(await found('uno')).toEqual(['uno']);
    db.exec("UPDATE messages SET content = '', type = 'system'");
    expect(await found('uno')).toEqual([]);
    expect(inIndex('uno')).toBe(0);
  });

  test('it contains rows whose ids the app chose below indexed ones', async () => {
    insert('high', 1_000);
    expect(await found('high')).toEqual(['high']);
    insert('low', 5);
    expect(await found('low')).toEqual(['low']);
  });

  test('deleted rows are removed from it', async () => {
    insert('doomed');
    insert('spared');
    expect(await found('doomed')).toEqual(['doomed']);
    db.exec("DELETE FROM messages WHERE content = 'doomed'");
    expect(await found('doomed')).toEqual([]);
    expect(inIndex('doomed')).toBe(0);
    expect(await found('spared')).toEqual(['spared']);
  });

  test('it is updated without a search when nothing has been written for a while', async () => {
    for (const word of ['first', 'second', 'third']) {
      await chat.say('ada', conversationId, word);
      chat.clock.advance(400);
    }
    expect(inIndex('first')).toBe(0);
    chat.clock.advance(1_000);
    await expect.poll(() => inIndex('third')).toBe(1);
    expect(chat.clock.pending).toBe(0);
  });

  test('it is updated without a search after many writes', async () => {
    await Promise.all(Array.from({ length: 10_000 }, (_, n) => chat.say('ada', conversationId, `word${n}`)));
    await expect.poll(() => [inIndex('word0'), inIndex('word9999')]).toEqual([1, 1]);
  });

  test('a search during writes waits only for what was stored before', async () => {
    const enough = new AbortController();
    const flood = (async () => {
      for (let n = 0; n < 5_000 && !enough.signal.aborted; n += 1) await chat.say('ada', conversationId, `word${n}`);
      return enough.signal.aborted;
    })();
    await expect.poll(() => found('word1')).toHaveLength(50);
    enough.abort();
    expect(await flood).toBe(true);
  });

  test('concurrent searches share the update and return the same', async () => {
    await Promise.all(Array.from({ length: 600 }, (_, n) => chat.say('ada', conversationId, `same ${n}`)));
    const results = await Promise.all([found('same'), found('same'), chat.history.search('bob', { q: 'same 599' })]);
    expect(results.map(({ length }) => length)).toEqual([50, 50, 1]);
    expect(await chat.conversations.get(caller('ada'), conversationId)).toMatchObject({ head: { seq: 600 } });
  });
});
