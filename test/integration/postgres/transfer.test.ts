import { writeFile } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { seededRandom } from '../../../src/lib/seeded-random.ts';
import {
  transferDatabase,
  type TransferOptions,
  type TransferProgress,
} from '../../../src/server/store/transfer/transfer-database.ts';
import { eventually } from '../../helpers/eventually.ts';
import { fillDatabase } from '../../helpers/postgres/filled-database.ts';
import { startPostgres, type PostgresProcess } from '../../helpers/postgres/postgres-process.ts';
import { postgresRows, sqliteRows } from '../../helpers/postgres/stored-rows.ts';
import { startChat } from '../../helpers/server/chat.ts';
import { startServer } from '../../helpers/server/comm-server.ts';
import { temporaryDirectory } from '../../helpers/temporary-directory.ts';

let postgres: PostgresProcess;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres[Symbol.asyncDispose]());

let count = 0;
/** Creates a database and returns its URL. */
async function newDatabase(): Promise<string> {
  count += 1;
  await postgres.execute(`CREATE DATABASE target_${count}`);
  return postgres.url(`target_${count}`);
}

test.each([1, 2, 3])('every row of every table is copied unchanged (seed %i)', async (seed) => {
  await using directory = await temporaryDirectory();
  const from = `${directory.path}/comm.sqlite`;
  await fillDatabase(from, seed);
  const to = await newDatabase();
  const { tables, violatedKeys } = await transferDatabase({ from, to });
  const expected = sqliteRows(from);
  expect(await postgresRows(to)).toEqual(expected);
  expect(Object.fromEntries(tables.map(({ table, rows }) => [table, rows]))).toEqual(
    Object.fromEntries(Object.entries(expected).map(([table, rows]) => [table, rows.length])),
  );
  expect(violatedKeys).toContain('conversation_participants.conversation_participants_conversation_id_fkey');
});

test('counters, triggers and searches go on where the SQLite database ended', async () => {
  await using directory = await temporaryDirectory();
  const from = `${directory.path}/comm.sqlite`;
  await fillDatabase(from, 1, 40);
  const to = await newDatabase();
  await transferDatabase({ from, to });
  const before = await startChat({ db: new DatabaseSync(from) });
  const db = new pg.Pool({ connectionString: to });
  const after = await startChat({ db });
  for (const q of ['word7', 'second time', 'crowd', 'wor', 'gone']) {
    const [one, other] = await Promise.all([before, after].map((chat) => chat.history.search('bob', { q })));
    expect(other).toEqual(one);
    expect(one?.length === 0).toBe(q === 'gone');
  }
  // Id 900000 belonged to a message that is deleted.
  const sent = await Promise.all([before, after].map((chat) => chat.say('ada', 'crowd', 'next')));
  expect(sent.map(({ id }) => id)).toEqual(['900001', '900001']);
  expect(sent[1]?.seq).toBe(sent[0]?.seq);
  // A row of the app's own SQL, whose position a trigger sets.
  const [message] = await after.sql(
    "INSERT INTO messages (conversation_id, sender_id, content) VALUES ('crowd', 'ada', 'by SQL') RETURNING id, seq",
  );
  expect(message).toEqual({ id: 900_002, seq: (sent[1]?.seq ?? 0) + 1 });
  expect(
    await db.query("SELECT * FROM pg_constraint WHERE contype = 'f' AND conrelid = 'messages'::regclass"),
  ).toMatchObject({
    rows: [{ confdeltype: 'c', convalidated: true }],
  });
  await expect(db.query("INSERT INTO messages (conversation_id, sender_id) VALUES ('nowhere', 'ada')")).rejects.toThrow(
    /foreign key/,
  );
  await Promise.all([before.store.drain(), after.store.drain()]);
  await db.end();
});

test('tables and columns of the app are moved, and a table can be left out', async () => {
  await using directory = await temporaryDirectory();
  const from = `${directory.path}/comm.sqlite`;
  await fillDatabase(from, 1);
  alter(
    from,
    `CREATE TABLE notes (id INTEGER PRIMARY KEY, "a ""name""" TEXT NOT NULL, weight REAL, picture BLOB, done BOOLEAN, at DATETIME, score NUMERIC);
    INSERT INTO notes VALUES (7, 'x' || char(0), 1.5, x'00ff', 1, '2024-01-01', 0.1), (9, '', 2, NULL, NULL, NULL, 9007199254740992);
    CREATE TABLE pairs (one TEXT, other INTEGER, PRIMARY KEY (other, one)) WITHOUT ROWID;
    INSERT INTO pairs VALUES ('a', 2), ('b', 1);
    CREATE TABLE mixed (value, number); INSERT INTO mixed VALUES (1, 0.5), ('one', 9007199254740993);
    CREATE VIEW latest AS SELECT max(id) FROM notes;
    ALTER TABLE messages ADD COLUMN mood TEXT; UPDATE messages SET mood = 'glad' WHERE id = 1`,
  );
  const to = await newDatabase();
  await expect(transferDatabase({ from, to })).rejects.toMatchObject({
    code: 'INVALID',
    message: expect.stringContaining(
      'mixed.value has 1 values that are no texts; mixed.number has 1 values that are no numbers of double precision',
    ) as unknown,
  });
  await expect(transferDatabase({ from, to, skip: ['messages'] })).rejects.toThrow("messages can't be left out");
  await expect(transferDatabase({ from, to, skip: ['nothing'] })).rejects.toThrow('There is no table nothing');
  await transferDatabase({ from, to, skip: ['mixed'] });
  const { mixed, ...expected } = sqliteRows(from);
  expect(mixed).toHaveLength(2);
  expect(await postgresRows(to)).toEqual(expected);
  const db = new pg.Pool({ connectionString: to });
  const { rows } = await db.query('INSERT INTO notes ("a ""name""") VALUES (\'new\') RETURNING id');
  expect(rows).toEqual([{ id: '10' }]);
  await db.end();
});

test('a row that Postgres refuses is named, and the transfer goes on after it was corrected', async () => {
  await using directory = await temporaryDirectory();
  const from = `${directory.path}/comm.sqlite`;
  await fillDatabase(from, 1);
  // No key of an index can be that long.
  const long = seededText(6_000);
  alter(from, `INSERT INTO message_reactions (message_id, user_id, emoji) VALUES (2, 'ada', '${long}')`);
  const to = await newDatabase();
  await expect(transferDatabase({ from, to })).rejects.toMatchObject({
    code: 'INVALID',
    message: expect.stringMatching(/^Postgres refuses row \d+ \(message_id "2", user_id "ada", emoji "/) as unknown,
  });
  alter(from, `DELETE FROM message_reactions WHERE user_id = 'ada' AND message_id = 2`);
  await transferDatabase({ from, to });
  expect(await postgresRows(to)).toEqual(sqliteRows(from));
});

test('values that the columns in Postgres have no type for are reported before anything is copied', async () => {
  await using directory = await temporaryDirectory();
  const from = `${directory.path}/comm.sqlite`;
  await fillDatabase(from, 1);
  alter(
    from,
    "UPDATE messages SET content = x'00' WHERE id = 1; UPDATE messages SET encrypted = 'yes' WHERE id IN (2, 3)",
  );
  const to = await newDatabase();
  const problems = [
    'messages.content has 1 values that are no texts',
    'messages.encrypted has 2 values that are no whole numbers',
  ];
  await expect(transferDatabase({ from, to })).rejects.toThrow(problems.join('; '));
  expect((await postgresRows(to))['messages']).toEqual([]);
});

test('a source that is no database of lumen-comm is refused and not changed', async () => {
  await using directory = await temporaryDirectory();
  const to = await newDatabase();
  await expect(transferDatabase({ from: `${directory.path}/none`, to })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  const text = `${directory.path}/text`;
  await writeFile(text, 'no database '.repeat(100));
  await expect(transferDatabase({ from: text, to })).rejects.toThrow('is not a SQLite database');
  const other = `${directory.path}/other.sqlite`;
  alter(other, 'CREATE TABLE notes (id INTEGER PRIMARY KEY)');
  await expect(transferDatabase({ from: other, to })).rejects.toThrow('is not a database of lumen-comm');
  expect(Object.keys(sqliteRows(other))).toEqual(['notes']);
});

test('a source that a server has opened is refused, and a server is refused while it is copied', async () => {
  await using directory = await temporaryDirectory();
  const from = `${directory.path}/comm.sqlite`;
  const to = await newDatabase();
  const server = await startServer({ database: from });
  await expect(transferDatabase({ from, to })).rejects.toMatchObject({
    code: 'CONFLICT',
    message: `Another process has opened ${from}`,
  });
  await server[Symbol.asyncDispose]();
  let refusal: Promise<unknown> | undefined;
  const onProgress = (): void => {
    refusal ??= startServer({ database: from }).catch((error: unknown) => error);
  };
  await transferDatabase({ from, to, onProgress });
  expect(String(await refusal)).toContain('database is locked');
});

test('a target with other data, or with a server, is refused', async () => {
  await using directory = await temporaryDirectory();
  const from = `${directory.path}/comm.sqlite`;
  await fillDatabase(from, 1);
  const to = await newDatabase();
  const server = await startServer({ database: to });
  await expect(transferDatabase({ from, to })).rejects.toMatchObject({
    code: 'CONFLICT',
    message: 'A server or another migration uses the target',
  });
  const ada = await server.connect('ada');
  await ada.ask('conversation:create', { type: 'group', participantIds: ['bob'] });
  await server[Symbol.asyncDispose]();
  await expect(transferDatabase({ from, to })).rejects.toMatchObject({
    code: 'CONFLICT',
    message: expect.stringMatching(
      /^The target has other data, in comm_users, conversation_participants, conversations$/,
    ) as unknown,
  });
});

test('a database on which a server has run is accepted once it has no rows', async () => {
  await using directory = await temporaryDirectory();
  const from = `${directory.path}/comm.sqlite`;
  await fillDatabase(from, 1, 5);
  const to = await newDatabase();
  const db = new pg.Pool({ connectionString: to });
  const chat = await startChat({ db });
  const { id } = await chat.direct('ada', 'bob');
  await chat.say('ada', id, 'indexed');
  await chat.store.indexed();
  await chat.store.drain();
  await db.query('DELETE FROM conversations; DELETE FROM comm_users; DELETE FROM comm_departures');
  await transferDatabase({ from, to });
  expect(await postgresRows(to)).toEqual(sqliteRows(from));
  const { rows } = await db.query('SELECT count(*)::int AS found FROM comm_search WHERE message_id < 10');
  expect(rows).not.toEqual([{ found: 0 }]);
  await db.end();
});

test('no server starts on an unfinished transfer, and another source is refused', async () => {
  await using directory = await temporaryDirectory();
  const [from, other] = [`${directory.path}/comm.sqlite`, `${directory.path}/other.sqlite`];
  await fillDatabase(from, 1);
  await fillDatabase(other, 2);
  const to = await newDatabase();
  await interrupted({ from, to });
  await expect(startServer({ database: to })).rejects.toMatchObject({
    cause: { code: 'UNSUPPORTED', message: 'The data of another database has not been moved to this one completely' },
  });
  await expect(transferDatabase({ from: other, to })).rejects.toMatchObject({
    code: 'CONFLICT',
    message: 'The target has an unfinished transfer of another database',
  });
  await transferDatabase({ from: other, to, restart: true });
  expect(await postgresRows(to)).toEqual(sqliteRows(other));
});

test('rows of the source that change between two runs are noticed at the end, and --restart copies them', async () => {
  await using directory = await temporaryDirectory();
  const from = `${directory.path}/comm.sqlite`;
  await fillDatabase(from, 1);
  const to = await newDatabase();
  await interrupted({ from, to });
  // Of a table that was copied before the interruption, and without a difference in the number of rows.
  alter(from, "UPDATE comm_users SET last_seen = 'changed' WHERE user_id = 'bob'");
  const refusal = {
    code: 'CONFLICT',
    message: expect.stringMatching(/changed since .*: the rows of comm_users differ$/) as unknown,
  };
  await expect(transferDatabase({ from, to })).rejects.toMatchObject(refusal);
  await expect(transferDatabase({ from, to })).rejects.toMatchObject(refusal);
  await transferDatabase({ from, to, restart: true });
  expect(await postgresRows(to)).toEqual(sqliteRows(from));
});

test('a transfer goes on after Postgres has crashed', async () => {
  await using directory = await temporaryDirectory();
  const from = `${directory.path}/comm.sqlite`;
  await fillDatabase(from, 1, 2_500);
  const to = await newDatabase();
  let stopped: Promise<void> | undefined;
  const onProgress = (progress: TransferProgress): void => {
    if (progress.step === 'copy' && progress.table === 'messages') stopped ??= postgres.stop('immediate');
  };
  await expect(transferDatabase({ from, to, onProgress })).rejects.toThrow(/connection|terminat/i);
  await stopped;
  await postgres.start();
  const isResumed: unknown[] = [];
  await transferDatabase({ from, to, onProgress: (each) => each.step === 'begin' && isResumed.push(each.isResumed) });
  expect(isResumed).toEqual([true]);
  expect(await postgresRows(to)).toEqual(sqliteRows(from));
});

test('a run whose rows another one has copied in the meantime ends', async () => {
  await using directory = await temporaryDirectory();
  const from = `${directory.path}/comm.sqlite`;
  await fillDatabase(from, 1, 2_500);
  const to = await newDatabase();
  const name = new URL(to).pathname.slice(1);
  const other = new pg.Client({ connectionString: to });
  await other.connect();
  // The run waits for this transaction, which has copied the first rows.
  let waiting: Promise<unknown> | undefined;
  const onProgress = (progress: TransferProgress): void => {
    if (progress.step === 'begin')
      waiting = other.query("BEGIN; UPDATE comm_transfer SET copied = 7 WHERE name = 'messages'");
    if (progress.step === 'copy' && progress.table === 'message_reactions') {
      waiting = waiting?.then(() => untilBlocked(name)).then(() => other.query('COMMIT'));
    }
  };
  await expect(transferDatabase({ from, to, onProgress })).rejects.toThrow('Another migration has continued this one');
  await waiting;
  await other.end();
  expect((await postgresRows(to))['messages']).toEqual([]);
});

test('a transfer that has finished is compared again, and not repeated', async () => {
  await using directory = await temporaryDirectory();
  const from = `${directory.path}/comm.sqlite`;
  await fillDatabase(from, 1);
  const to = await newDatabase();
  const { tables } = await transferDatabase({ from, to });
  expect(await transferDatabase({ from, to })).toEqual({ tables, violatedKeys: [], wasFinished: true });
  const db = new pg.Pool({ connectionString: to });
  await db.query("UPDATE conversations SET name = 'changed' WHERE id = 'crowd'");
  await db.end();
  await expect(transferDatabase({ from, to, restart: true })).rejects.toThrow(
    /one of them has changed since: the rows of conversations differ/,
  );
});

/** Resolves when a statement of the database waits for a lock. */
async function untilBlocked(database: string): Promise<void> {
  const client = new pg.Client({ connectionString: postgres.url(database) });
  await client.connect();
  await eventually(async () => {
    const { rowCount } = await client.query(
      "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
    );
    expect(rowCount).toBeGreaterThan(0);
  });
  await client.end();
}

/** Runs SQL on a SQLite database, as another program. */
function alter(path: string, sql: string): void {
  const db = new DatabaseSync(path);
  db.exec(sql);
  db.close();
}

/** Runs a transfer that ends after a table was copied. */
async function interrupted(options: TransferOptions): Promise<void> {
  const onProgress = (progress: TransferProgress): void => {
    if (progress.step === 'copy' && progress.table === 'conversations') throw new Error('interrupted');
  };
  await expect(transferDatabase({ ...options, onProgress })).rejects.toThrow('interrupted');
}

/** A text that can't be compressed. */
function seededText(length: number): string {
  const random = seededRandom(1);
  return Array.from({ length }, () => random.between(0, 35).toString(36)).join('');
}
