import { execFile } from 'node:child_process';
import { DatabaseSync } from 'node:sqlite';
import { writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import BetterSqlite from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { silentLogger } from '../../../src/lib/logger.ts';
import type { SqliteSource } from '../../../src/server/store/engine/sqlite.ts';
import { databaseOf } from '../../../src/server/store/engine/database-source.ts';
import { LongReads } from '../../../src/server/store/engine/long-reads.ts';
import { openDatabase } from '../../../src/server/store/engine/open.ts';
import { all, first, type Statement, type Work } from '../../../src/server/store/engine/work.ts';
import { manualClock, type ManualClock } from '../../helpers/manual-clock.ts';
import { temporaryDirectory } from '../../helpers/temporary-directory.ts';

const rows = <T>(sql: string, ...parameters: number[]): Statement<T> => ({
  sql,
  parameters,
  kind: 'rows',
  writes: false,
});

function openBetterSqlite(path: string): BetterSqlite.Database {
  const db = new BetterSqlite(path);
  db.pragma('journal_mode = WAL');
  return db;
}

/** Takes seconds: a query that counts far. */
const ENDLESS = rows<{ n: number }>(
  'with recursive n(value) as (select 1 union all select value + 1 from n where value < 5e7) select count(*) as n from n',
);

function* count(): Work<number> {
  return (yield* first(rows<{ n: number }>('select count(*) as n from t')))?.n ?? -1;
}

/** Ends when the event loop has turned this often. */
async function turns(times: number): Promise<void> {
  for (let turn = 0; turn < times; turn += 1) {
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
  }
}

const OPEN = {
  'a file': (directory: string) => new DatabaseSync(`${directory}/db.sqlite`),
  memory: () => new DatabaseSync(':memory:'),
  'a file of better-sqlite3': (directory: string) => new BetterSqlite(`${directory}/db.sqlite`),
};

describe.each(['a file', 'memory', 'a file of better-sqlite3'] as const)('long reads of a database in %s', (kind) => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let db: DatabaseSync | BetterSqlite.Database;
  let clock: ManualClock;
  let reads: LongReads;

  beforeEach(async () => {
    directory = await temporaryDirectory();
    db = OPEN[kind](directory.path);
    db.exec('PRAGMA journal_mode = WAL');
    db.exec('create table t (value)');
    clock = manualClock();
    reads = new LongReads(databaseOf(db), clock, silentLogger);
  });
  afterEach(async () => {
    await reads.close();
    db.close();
    await directory[Symbol.asyncDispose]();
  });

  const read = <T>(work: () => Work<T>, userId = 'ada'): Promise<T> => reads.read(work, { userId, deadlineMs: 250 });

  test('see everything that was committed before', async () => {
    for (let value = 1; value <= 3; value += 1) {
      db.prepare('insert into t values (?)').run(value);
      expect(await read(count)).toBe(value);
    }
  });

  test('let other work run between two statements', async () => {
    const work = function* (): Work<void> {
      for (let step = 0; step < 20; step += 1) yield* all(rows('select 1'));
    };
    let passed = 0;
    let done = false;
    const watch = (): void => {
      passed += 1;
      if (!done) setImmediate(watch);
    };
    setImmediate(watch);
    await read(work);
    done = true;
    expect(passed).toBeGreaterThanOrEqual(20);
  });

  test('reject with the error of the work or of the statement, and go on', async () => {
    const failing = read(function* (): Work<void> {
      yield* all(rows('select 1'));
      throw new TypeError('wrong');
    });
    await expect(failing).rejects.toThrow(new TypeError('wrong'));
    await expect(read(() => all(rows('select * from nowhere')))).rejects.toThrow(/nowhere/);
    expect(await read(count)).toBe(0);
  });

  test('users take turns', async () => {
    const ended: string[] = [];
    const queued = ['ada', 'ada', 'ada', 'bob', 'cleo', 'bob'].map(async (userId, index) => {
      await read(count, userId);
      ended.push(`${userId} ${index}`);
    });
    await Promise.all(queued);
    expect(ended.indexOf('bob 3')).toBeLessThan(ended.indexOf('ada 2'));
  });

  test('a read that waited too long is given up', async () => {
    const long = reads.read(
      function* (): Work<void> {
        for (let step = 0; step < 50; step += 1) yield* all(rows('select 1'));
      },
      { userId: 'ada', deadlineMs: 60_000 },
    );
    const waiting = read(count);
    clock.advance(5_001);
    await long;
    await expect(waiting).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  test('a limited number of reads waits', async () => {
    const outcomes = await Promise.allSettled(Array.from({ length: 300 }, () => read(count)));
    const given = outcomes.filter((each) => each.status === 'rejected');
    expect(given).toHaveLength(300 - 256 - 1);
    expect(given[0]?.reason).toMatchObject({ code: 'UNAVAILABLE' });
  });
});

test.each<[title: string, open: (path: string) => SqliteSource & { close(): unknown }]>([
  ['node:sqlite', openDatabase],
  ['better-sqlite3', openBetterSqlite],
])(
  'a statement of %s that takes too long is given up without holding up the event loop or later reads',
  async (_, open) => {
    await using directory = await temporaryDirectory();
    const db = open(`${directory.path}/db.sqlite`);
    db.exec('create table t (value)');
    const clock = manualClock();
    const reads = new LongReads(databaseOf(db), clock, silentLogger);
    expect(await reads.read(count, { userId: 'ada', deadlineMs: 250 })).toBe(0);
    const slow = reads.read(() => first(ENDLESS), { userId: 'ada', deadlineMs: 250 });
    const next = reads.read(count, { userId: 'bob', deadlineMs: 250 });
    await turns(100);
    clock.advance(250);
    await expect(slow).rejects.toMatchObject({ code: 'UNAVAILABLE', retryAfterMs: 1_000 });
    expect(await next).toBe(0);
    await reads.close();
    db.close();
  },
);

test('a read that takes too long is replaced by a cheaper one', async () => {
  await using directory = await temporaryDirectory();
  const db = openDatabase(`${directory.path}/db.sqlite`);
  db.exec('create table t (value)');
  const clock = manualClock();
  const reads = new LongReads(databaseOf(db), clock, silentLogger);
  const options = { userId: 'ada', deadlineMs: 250 };
  const endless = function* (): Work<number> {
    return (yield* first(ENDLESS))?.n ?? -1;
  };
  expect(await reads.read(count, options, endless)).toBe(0);
  const replaced = reads.read(endless, options, count);
  await turns(100);
  clock.advance(250);
  expect(await replaced).toBe(0);
  await reads.close();
  db.close();
});

test('the statements of a read in the thread see one snapshot, and the next read sees what was written since', async () => {
  await using directory = await temporaryDirectory();
  const db = openDatabase(`${directory.path}/db.sqlite`);
  db.exec('create table t (value)');
  const reads = new LongReads(databaseOf(db), manualClock(), silentLogger);
  const twice = function* (): Work<[number, number]> {
    const before = yield* count();
    db.exec('insert into t values (1)');
    return [before, yield* count()];
  };
  const options = { userId: 'ada', deadlineMs: 250 };
  expect(await reads.read(twice, options)).toEqual([0, 0]);
  const failing = reads.read(function* (): Work<void> {
    yield* count();
    throw new TypeError('wrong');
  }, options);
  await expect(failing).rejects.toThrow(new TypeError('wrong'));
  db.exec('insert into t values (1)');
  expect(await reads.read(count, options)).toBe(2);
  await reads.close();
  db.close();
});

test('a thread that can read only never writes', async () => {
  await using directory = await temporaryDirectory();
  const db = openDatabase(`${directory.path}/db.sqlite`);
  db.exec('create table t (value)');
  const reads = new LongReads(databaseOf(db), manualClock(), silentLogger);
  const write = reads.read(() => all(rows('insert into t values (1) returning value')), {
    userId: 'ada',
    deadlineMs: 250,
  });
  await expect(write).rejects.toThrow(/readonly/);
  expect(await reads.read(count, { userId: 'ada', deadlineMs: 250 })).toBe(0);
  await reads.close();
  db.close();
});

test('an answer that has arrived when the deadline fires is not given up', async () => {
  const db = openDatabase(':memory:');
  db.exec('create table t (value)');
  const clock = manualClock();
  const reads = new LongReads(databaseOf(db), clock, silentLogger);
  const options = { userId: 'ada', deadlineMs: 250 };
  expect(await reads.read(count, options)).toBe(0);
  const reading = reads.read(count, options);
  // Its statement is ready to run in this turn, before the next one begins.
  while (clock.pending === 0) await Promise.resolve();
  clock.advance(250);
  expect(await reading).toBe(0);
  await reads.close();
  db.close();
});

test("a thread ends its transactions also where Node doesn't tell whether one is open, as before version 22.16", async () => {
  await using directory = await temporaryDirectory();
  const source = (path: string): string => JSON.stringify(new URL(`../../../src/${path}`, import.meta.url).href);
  const program = `
    import { systemClock } from ${source('lib/clock.ts')};
    import { silentLogger } from ${source('lib/logger.ts')};
    import { databaseOf } from ${source('server/store/engine/database-source.ts')};
    import { LongReads } from ${source('server/store/engine/long-reads.ts')};
    import { openDatabase } from ${source('server/store/engine/open.ts')};
    import { all } from ${source('server/store/engine/work.ts')};
    const db = openDatabase(${JSON.stringify(`${directory.path}/db.sqlite`)});
    db.exec('create table t (value)');
    // Reads that can't use a thread are reported.
    const logger = { ...silentLogger, warn: (message) => console.log(message) };
    const reads = new LongReads(databaseOf(db), systemClock, logger);
    const sql = 'select count(*) as n from t';
    const count = () => all({ sql, parameters: [], kind: 'rows', writes: false });
    const read = async () => (await reads.read(count, { userId: 'ada', deadlineMs: 60_000 }))[0].n;
    const counts = [await read()];
    db.exec('insert into t values (1)');
    counts.push(await read());
    console.log(JSON.stringify(counts));
    await reads.close();
    db.close();`;
  const earlier = `
    const sqlite = require('node:sqlite');
    const { DatabaseSync } = sqlite;
    const names = ['exec', 'prepare', 'location', 'close'];
    if (!require('node:worker_threads').isMainThread) sqlite.DatabaseSync = function (...options) {
      const db = new DatabaseSync(...options);
      return Object.fromEntries(names.map((name) => [name, (...args) => db[name](...args)]));
    };`;
  const [file, preload] = [`${directory.path}/program.mjs`, `${directory.path}/earlier.cjs`];
  await Promise.all([writeFile(file, program), writeFile(preload, earlier)]);
  // A preloaded module also runs in threads.
  const { stdout } = await promisify(execFile)(process.execPath, ['--no-warnings', '--require', preload, file]);
  expect(JSON.parse(stdout)).toEqual([0, 1]);
});
