import type pg from 'pg';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { lockStatement } from '../../../src/server/store/engine/postgres-locks.ts';
import { PostgresDatabase } from '../../../src/server/store/engine/postgres.ts';
import { run, type Statement, type Work } from '../../../src/server/store/engine/work.ts';
import { eventually } from '../../helpers/eventually.ts';
import { newPostgres } from '../../helpers/postgres/test-database.ts';

let pool: pg.Pool;
let database: PostgresDatabase;
/** Another process, which holds the locks of a transaction. */
let other: pg.PoolClient;
beforeEach(async () => {
  const created = await newPostgres();
  if (created === undefined) throw new Error('These tests need a Postgres');
  pool = created;
  database = new PostgresDatabase(pool);
  await pool.query('CREATE TABLE written (name text, at bigint GENERATED ALWAYS AS IDENTITY)');
  other = await pool.connect();
});
afterEach(() => other.release(true));

const insert = (name: string): Statement => ({
  sql: 'INSERT INTO written (name) VALUES (?)',
  parameters: [name],
  kind: 'run',
  writes: true,
});

/** Writes a row in a transaction with these keys. */
function write(name: string, keys: readonly string[] | undefined): Promise<void> {
  return database.write([{ keys, work: (): Work<void> => run(insert(name)) }]);
}

async function hold(keys: readonly string[] | undefined): Promise<void> {
  await other.query(`BEGIN; ${lockStatement(keys)}`);
}

async function written(): Promise<string[]> {
  return (await pool.query<{ name: string }>('SELECT name FROM written ORDER BY at')).rows.map(({ name }) => name);
}

/** Resolves when this number of transactions wait for locks. */
async function waiting(count: number): Promise<void> {
  await eventually(async () => {
    const { rows } = await pool.query(`
      SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`);
    expect(rows).toHaveLength(count);
  });
}

test('a write with other keys than those of a running transaction does not wait', async () => {
  await hold(['c:one', 'u:ada']);
  await write('two', ['c:two', 'u:ben']);
  expect(await written()).toEqual(['two']);
});

test('a write waits for a running transaction with one of its keys', async () => {
  await hold(['c:one', 'u:ada']);
  const done = write('two', ['c:two', 'u:ada']);
  await waiting(1);
  expect(await written()).toEqual([]);
  await other.query("INSERT INTO written (name) VALUES ('one'); COMMIT");
  await done;
  expect(await written()).toEqual(['one', 'two']);
});

test('a write that declares nothing waits for all, and those that follow wait for it', async () => {
  await hold(['c:one']);
  const alone = write('alone', undefined);
  await waiting(1);
  const later = write('later', ['c:two']);
  await waiting(2);
  expect(await written()).toEqual([]);
  await other.query('COMMIT');
  await Promise.all([alone, later]);
  expect(await written()).toEqual(['alone', 'later']);
});

test('all wait for a transaction that declares nothing', async () => {
  await hold(undefined);
  const done = [write('one', ['c:one']), write('alone', undefined)];
  await waiting(2);
  await other.query('COMMIT');
  await Promise.all(done);
  expect((await written()).toSorted()).toEqual(['alone', 'one']);
});

test('transactions that take the same locks in another order do not wait for each other in a circle', async () => {
  const names = Array.from({ length: 20 }, (_, at) => `c:${at}`);
  await Promise.all(Array.from({ length: 12 }, (_, at) => write(`w${at}`, at % 2 === 0 ? names : names.toReversed())));
  const { rows } = await pool.query('SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()');
  expect(rows).toEqual([{ deadlocks: '0' }]);
});
