import pg from 'pg';
import { expect, test } from 'vitest';
import { PostgresDatabase } from '../../../src/server/store/engine/postgres.ts';
import { deferred } from '../../../src/lib/deferred.ts';
import { all, run, type Statement } from '../../../src/server/store/engine/work.ts';
import { startPostgresProxy } from '../../helpers/postgres/postgres-proxy.ts';
import { newPostgresUrl } from '../../helpers/postgres/test-database.ts';

test('a claim whose connection is lost before the answer fails by that, and is taken by the next attempt', async () => {
  const url = new URL(await newPostgresUrl());
  const sent = deferred<undefined>();
  let isClaiming = false;
  await using proxy = await startPostgresProxy(Number(url.port), 0, () => isClaiming && sent.resolve(undefined));
  url.port = String(proxy.port);
  const pool = new pg.Pool({ connectionString: url.href });
  const database = new PostgresDatabase(pool);
  // The connection that the claim takes.
  await pool.query('SELECT 1');
  isClaiming = true;
  proxy.hold();
  const failed = database.claim('alone').catch((error: unknown) => error);
  await sent.promise;
  proxy.cut();
  expect(await failed).toMatchObject({
    name: 'PostgresFailure',
    message: expect.stringMatching(/terminated|RESET/) as unknown,
  });
  await database.claim('alone');
  expect(await database.lead()).toBe(true);
  await database.unclaim();
  await pool.end();
});

test('a pool with one connection is refused, because the claim takes it', async () => {
  const pool = new pg.Pool({ connectionString: await newPostgresUrl(), max: 1 });
  await expect(new PostgresDatabase(pool).claim('alone')).rejects.toMatchObject({
    code: 'UNSUPPORTED',
    fix: 'Set `max` of the pool to 2 or more.',
  });
  await pool.end();
});

test('a pool with two connections serves reads and writes beside the claim', async () => {
  const pool = new pg.Pool({ connectionString: await newPostgresUrl(), max: 2 });
  const database = new PostgresDatabase(pool);
  await database.claim('alone');
  await pool.query('CREATE TABLE written (name text)');
  const names = ['one', 'two', 'three', 'four', 'five'];
  const insert = (name: string): Statement => ({
    sql: 'INSERT INTO written (name) VALUES (?)',
    parameters: [name],
    kind: 'run',
    writes: true,
  });
  await Promise.all(names.map((name) => database.write([{ keys: [name], work: () => run(insert(name)) }])));
  const select = { sql: 'SELECT name FROM written', parameters: [], kind: 'rows', writes: false } as const;
  const reads = await Promise.all(names.map(() => database.read(() => all(select))));
  expect(reads.map(({ length }) => length)).toEqual(names.map(() => names.length));
  await database.unclaim();
  await pool.end();
});
