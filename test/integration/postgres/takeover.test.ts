import pg from 'pg';
import { expect, test } from 'vitest';
import { databaseOf } from '../../../src/server/store/engine/database-source.ts';
import type { LumenDatabase } from '../../../src/server/store/engine/sqlite.ts';
import { newPostgresUrl } from '../../helpers/postgres/test-database.ts';
import { caller, startChat } from '../../helpers/server/chat.ts';

/** The tables of LumenJS with the types that an app on Postgres would choose: LumenJS leaves its schema there to the app. */
const APP_TABLES = `
CREATE TABLE conversations (
  id VARCHAR(80) PRIMARY KEY, type TEXT NOT NULL, name TEXT,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(), updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE TABLE conversation_participants (
  conversation_id VARCHAR(80) NOT NULL REFERENCES conversations(id) ON DELETE CASCADE, user_id TEXT NOT NULL,
  role TEXT NOT NULL DEFAULT 'member', joined_at TIMESTAMPTZ NOT NULL DEFAULT now(), PRIMARY KEY (conversation_id, user_id)
);
CREATE TABLE messages (
  id SERIAL PRIMARY KEY, conversation_id VARCHAR(80) NOT NULL REFERENCES conversations(id) ON DELETE CASCADE,
  sender_id TEXT NOT NULL, content TEXT NOT NULL DEFAULT '', type TEXT NOT NULL DEFAULT 'text', reply_to TEXT,
  attachment JSONB, status TEXT NOT NULL DEFAULT 'sent', encrypted BOOLEAN NOT NULL DEFAULT false,
  created_at TIMESTAMP NOT NULL DEFAULT now(), updated_at TIMESTAMPTZ
);
CREATE TABLE read_receipts (
  message_id INTEGER NOT NULL REFERENCES messages(id) ON DELETE CASCADE, user_id TEXT NOT NULL,
  read_at TIMESTAMPTZ NOT NULL DEFAULT now(), PRIMARY KEY (message_id, user_id)
);
INSERT INTO conversations (id, type, updated_at) VALUES ('pair', 'direct', '2024-01-02T03:04:05Z'), ('team', 'group', now());
INSERT INTO conversation_participants (conversation_id, user_id)
  VALUES ('pair', 'ada'), ('pair', 'bob'), ('team', 'ada'), ('team', 'cleo');
INSERT INTO messages (conversation_id, sender_id, content, created_at) VALUES
  ('pair', 'ada', 'second', '2024-01-02 00:00:02'), ('pair', 'bob', 'first', '2024-01-02 00:00:01'),
  ('team', 'cleo', 'hello', '2024-01-02 00:00:03');
INSERT INTO read_receipts (message_id, user_id, read_at) VALUES (1, 'bob', '2024-01-02T00:01:00Z');
`;

test('the tables of an app are taken over with their rows', async () => {
  const db = new pg.Pool({ connectionString: await newPostgresUrl() });
  await db.query(APP_TABLES);
  const chat = await startChat({ db });
  const messages = (await chat.history.list('bob', 'pair')).toReversed();
  expect(messages).toMatchObject([
    { id: '2', content: 'first', seq: 1, createdAt: '2024-01-02T00:00:01.000Z' },
    {
      id: '1',
      content: 'second',
      seq: 2,
      status: 'read',
      readBy: [{ userId: 'bob', readAt: '2024-01-02T00:01:00.000Z' }],
    },
  ]);
  expect(await chat.conversations.get(caller('ada'), 'pair')).toMatchObject({
    updatedAt: '2024-01-02T03:04:05.000Z',
    unreadCount: 1,
    head: { seq: 2, rev: 2 },
  });
  // Times are stored as the server writes them, because they are compared as texts.
  expect(await chat.sql('SELECT created_at FROM messages ORDER BY id')).toEqual(
    [2, 1, 3].map((second) => ({ created_at: `2024-01-02T00:00:0${second}.000Z` })),
  );
  expect(await chat.sql("SELECT updated_at FROM conversations WHERE id = 'pair'")).toEqual([
    { updated_at: '2024-01-02T03:04:05.000Z' },
  ]);
  expect(await chat.sql('SELECT read_at FROM read_receipts')).toEqual([{ read_at: '2024-01-02T00:01:00.000Z' }]);
  // The pair is known, and members of the group have an owner.
  expect((await chat.direct('bob', 'ada')).id).toBe('pair');
  const { participants } = await chat.conversations.get(caller('cleo'), 'team');
  expect(participants.map(({ role }) => role)).toContain('owner');
  expect(await chat.say('ada', 'pair', 'third')).toMatchObject({ id: '4', seq: 3 });
  expect((await chat.history.search('bob', { q: 'secon' })).map(({ content }) => content)).toEqual(['second']);
  await chat.store.drain();
  await db.end();
});

test('ids of another type become texts, with their foreign keys', async () => {
  const db = new pg.Pool({ connectionString: await newPostgresUrl() });
  await db.query(APP_TABLES.slice(0, APP_TABLES.indexOf('INSERT')).replaceAll('VARCHAR(80)', 'UUID'));
  const id = '0b1c5f6e-0000-4000-8000-000000000001';
  await db.query(`INSERT INTO conversations (id, type) VALUES ('${id}', 'direct')`);
  await db.query(
    `INSERT INTO conversation_participants (conversation_id, user_id) VALUES ('${id}', 'ada'), ('${id}', 'bob')`,
  );
  const chat = await startChat({ db });
  expect((await chat.direct('bob', 'ada')).id).toBe(id);
  expect(await chat.say('ada', id, 'first')).toMatchObject({ seq: 1 });
  await chat.sql('DELETE FROM conversations');
  expect(await chat.sql('SELECT id FROM messages')).toEqual([]);
  await chat.store.drain();
  await db.end();
});

test('a LumenDb on Postgres is used through its pool', async () => {
  const pool = new pg.Pool({ connectionString: await newPostgresUrl() });
  const lumen = {
    isPg: true,
    pool,
    get raw(): never {
      throw new Error('raw is only available in SQLite mode');
    },
    all: () => Promise.reject(new Error('not used')),
    get: () => Promise.reject(new Error('not used')),
    run: () => Promise.reject(new Error('not used')),
    exec: () => Promise.reject(new Error('not used')),
  };
  const chat = await startChat({ db: lumen });
  const { id } = await chat.direct('ada', 'bob');
  expect(await chat.say('ada', id, 'hi')).toMatchObject({ seq: 1 });
  expect(() => databaseOf(Object.assign(Object.create(lumen) as LumenDatabase, { pool: null }))).toThrow(
    'pass a Pool of pg',
  );
  await chat.store.drain();
  await pool.end();
});

test('what the SQL of an app writes is completed by triggers', async () => {
  const db = new pg.Pool({ connectionString: await newPostgresUrl() });
  const chat = await startChat({ db });
  await chat.sql("INSERT INTO conversations (id, type) VALUES ('pair', 'direct')");
  for (const userId of ['ada', 'bob']) {
    await chat.sql('INSERT INTO conversation_participants (conversation_id, user_id) VALUES (?, ?)', 'pair', userId);
  }
  await chat.sql("INSERT INTO messages (conversation_id, sender_id, content) VALUES ('pair', 'ada', 'one')");
  await chat.sql("INSERT INTO messages (conversation_id, sender_id, content) VALUES ('pair', 'ada', 'two')");
  await chat.sql("UPDATE messages SET content = 'two!' WHERE content = 'two'");
  const [one, two] = (await chat.history.list('bob', 'pair')).toReversed();
  expect([one, two]).toMatchObject([
    { content: 'one', seq: 1 },
    { content: 'two!', seq: 2, rev: 5 },
  ]);
  await chat.sql('INSERT INTO read_receipts (message_id, user_id) VALUES (?, ?)', Number(two?.id), 'bob');
  expect(await chat.conversations.get(caller('bob'), 'pair')).toMatchObject({ unreadCount: 0 });
  expect((await chat.direct('ada', 'bob')).id).toBe('pair');
  await chat.store.drain();
  await db.end();
});
