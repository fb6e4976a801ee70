import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { DatabaseSync } from 'node:sqlite';
import BetterSqlite from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { silentLogger } from '../../../src/lib/logger.ts';
import { DatabaseThread } from '../../../src/server/store/engine/database-thread.ts';
import type { SqliteSource } from '../../../src/server/store/engine/sqlite.ts';
import { Checkpoints } from '../../../src/server/store/engine/checkpoints.ts';
import { databaseOf } from '../../../src/server/store/engine/database-source.ts';
import { openDatabase, type OwnedDatabase } from '../../../src/server/store/engine/open.ts';
import { temporaryDirectory } from '../../helpers/temporary-directory.ts';

describe('checkpoints in a thread', () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let path: string;
  let db: OwnedDatabase;
  let checkpoints: Checkpoints;
  beforeEach(async () => {
    directory = await temporaryDirectory();
    path = `${directory.path}/db.sqlite`;
    use(openDatabase(path));
  });
  afterEach(async () => {
    await checkpoints.close();
    db.close();
    await directory[Symbol.asyncDispose]();
  });

  const use = (opened: OwnedDatabase): void => {
    db = opened;
    db.exec('create table t (value)');
    checkpoints = new Checkpoints(databaseOf(db), silentLogger);
  };
  /** Each write fills a page, so that the size of the file shows whether the log was copied. */
  const write = async (times: number): Promise<number> => {
    const insert = db.prepare('insert into t values (zeroblob(4000))');
    for (let count = 0; count < times; count += 1) {
      insert.run();
      checkpoints.written();
    }
    await checkpoints.settled();
    return statSync(path).size;
  };

  test('copy the log after 400 writes, and again after as many', async () => {
    expect(await write(399)).toBeLessThan(10_000);
    expect(await write(1)).toBeGreaterThan(400 * 4_000);
    expect(await write(399)).toBeLessThan(500 * 4_000);
    expect(await write(1)).toBeGreaterThan(800 * 4_000);
  });

  test('count the writes while one runs for the next', async () => {
    expect(await write(1_000)).toBeGreaterThan(1_000 * 4_000);
    expect(await write(1)).toBeGreaterThan(1_000 * 4_000);
  });

  test('end with the thread', async () => {
    await checkpoints.close();
    expect(await write(800)).toBeLessThan(10_000);
  });

  test('are left to SQLite if the app has opened the database', async () => {
    db.close();
    await checkpoints.close();
    path = `${directory.path}/app.sqlite`;
    const app = new DatabaseSync(path);
    app.exec('PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 7999');
    use(app);
    const before = statSync(path).size;
    expect(await write(400)).toBe(before);
  });

  test('are left to SQLite if the database is in memory', async () => {
    db.close();
    await checkpoints.close();
    use(openDatabase(':memory:'));
    await write(400);
    expect(db.prepare('select count(*) as n from t').all()).toMatchObject([{ n: 400 }]);
  });
});

test.each<[title: string, open: (path: string) => SqliteSource & { close(): unknown }]>([
  ['node:sqlite', openDatabase],
  [
    'better-sqlite3',
    (path) => {
      const db = new BetterSqlite(path);
      db.pragma('journal_mode = WAL');
      return db;
    },
  ],
])('a thread that ends leaves the locks of %s to the connection that holds them', async (_, open) => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/db.sqlite`;
  const db = open(path);
  db.exec('create table t (value)');
  const shared = await databaseOf(db).shared();
  if (shared === undefined) throw new Error('The database is not shared');
  const thread = await DatabaseThread.start(shared, { readOnly: true });
  const count = { sql: 'select count(*) as n from t', parameters: [], kind: 'rows', writes: false } as const;
  expect(await thread.execute(count, false)).toMatchObject([{ n: 0 }]);
  db.exec('begin immediate; insert into t values (1)');
  await thread.stop();
  const other = `
    const db = new (process.getBuiltinModule('node:sqlite').DatabaseSync)(${JSON.stringify(path)}, { timeout: 0 });
    try { db.exec('begin immediate'); console.log('no lock'); } catch (error) { console.log(error.message); }`;
  expect(execFileSync(process.execPath, ['-e', other], { encoding: 'utf8' })).toMatch(/database is locked/);
  db.exec('commit');
  db.close();
});

test('a thread opens only files in WAL mode, with the copy of SQLite that has opened them', async () => {
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/db.sqlite`;
  const node = new DatabaseSync(path);
  expect(await databaseOf(node).shared()).toBeUndefined();
  node.exec('PRAGMA journal_mode = WAL');
  expect(await databaseOf(node).shared()).toEqual({ path });
  node.close();
  const better = new BetterSqlite(path);
  const shared = await databaseOf(better).shared();
  expect(shared).toMatchObject({
    path,
    betterSqlite: { module: createRequire(import.meta.url).resolve('better-sqlite3') },
  });
  expect(shared?.betterSqlite?.addon).toMatch(/\.node$/);
  better.close();
  const memory = new DatabaseSync(':memory:');
  expect(await databaseOf(memory).shared()).toBeUndefined();
  memory.close();
  const betterInMemory = new BetterSqlite(':memory:');
  expect(await databaseOf(betterInMemory).shared()).toBeUndefined();
  betterInMemory.close();
});
