import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { LogFields, Logger } from '../../../src/lib/logger.ts';
import { silentLogger } from '../../../src/lib/logger.ts';
import { CommError } from '../../../src/protocol/errors.ts';
import { databaseOf } from '../../../src/server/store/engine/database-source.ts';
import { all, run, type Statement, type Work } from '../../../src/server/store/engine/work.ts';
import { OutageTracker } from '../../../src/server/store/engine/outages.ts';
import { GroupCommit } from '../../../src/server/store/engine/group-commit.ts';
import { watchStatements } from '../../helpers/server/watch-statements.ts';
import { temporaryDirectory } from '../../helpers/temporary-directory.ts';

const insert = (value: string): Statement => ({
  sql: 'INSERT INTO t (value) VALUES (?)',
  parameters: [value],
  kind: 'run',
  writes: true,
});
const select: Statement<{ value: string }> = {
  sql: 'SELECT value FROM t ORDER BY rowid',
  parameters: [],
  kind: 'rows',
  writes: false,
};

/** Writes one row and answers with its value. */
function* put(value: string): Work<string> {
  yield* run(insert(value));
  return value;
}

describe('GroupCommit', () => {
  let db: DatabaseSync;
  let statements: string[];
  let logged: string[];
  let batch: GroupCommit;
  beforeEach(() => {
    db = new DatabaseSync(':memory:');
    db.exec('CREATE TABLE t (value TEXT UNIQUE)');
    statements = [];
    logged = [];
    watchStatements(db, (sql) => statements.push(sql.split(' ')[0] ?? ''));
    const log = (message: string, fields: LogFields = {}): void => void logged.push(`${message} ${fields['error']}`);
    const logger: Logger = { ...silentLogger, warn: log, error: log };
    batch = new GroupCommit(databaseOf(db), logger, new OutageTracker(logger));
  });
  afterEach(() => db.close());

  const stored = () =>
    db
      .prepare('SELECT value FROM t ORDER BY rowid')
      .all()
      .map((row) => row['value']);

  test('writes that are queued together are committed in one transaction, in order', async () => {
    const values = await Promise.all(['a', 'b', 'c'].map((value) => batch.write(() => put(value))));
    expect(values).toEqual(['a', 'b', 'c']);
    expect(statements).toEqual(['BEGIN', 'INSERT', 'INSERT', 'INSERT', 'COMMIT']);
  });

  test('committed callbacks run after the commit, in order, before promises resolve and the next transaction begins', async () => {
    const events: string[] = [];
    const write = async (value: string) => {
      await batch.write(
        () => put(value),
        () => events.push(`${value} told, in transaction: ${db.isTransaction}`),
      );
      events.push(`${value} answered`);
    };
    await Promise.all([write('a'), write('b')]);
    expect(events).toEqual([
      'a told, in transaction: false',
      'b told, in transaction: false',
      'a answered',
      'b answered',
    ]);
  });

  test('a write queued by a committed callback goes into the next transaction', async () => {
    let second: Promise<string> | undefined;
    await batch.write(
      () => put('a'),
      () => {
        second = batch.write(() => put('b'));
      },
    );
    expect(await second).toBe('b');
    expect(statements.filter((each) => each === 'COMMIT')).toHaveLength(2);
  });

  test('a rejection before the first write leaves the other items in the same transaction', async () => {
    const refused = batch.write(function* (): Work<never> {
      yield* all(select);
      throw new CommError('NOT_FOUND', 'Not found');
    });
    const results = await Promise.allSettled([batch.write(() => put('a')), refused, batch.write(() => put('b'))]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(statements.filter((each) => each === 'COMMIT')).toHaveLength(1);
    expect(stored()).toEqual(['a', 'b']);
  });

  test('a rejection after a write rolls back that item only', async () => {
    const refused = batch.write(function* (): Work<never> {
      yield* put('half');
      throw new CommError('CONFLICT', 'No');
    });
    const results = await Promise.allSettled([batch.write(() => put('a')), refused, batch.write(() => put('b'))]);
    expect(results[1]).toMatchObject({ status: 'rejected', reason: { code: 'CONFLICT' } });
    expect(stored()).toEqual(['a', 'b']);
  });

  test('an unexpected failure rejects its own item; the others are retried one by one', async () => {
    const told: string[] = [];
    const results = await Promise.allSettled(
      ['a', 'b', 'a', 'c'].map((value) =>
        batch.write(
          () => put(value),
          (done) => void told.push(done),
        ),
      ),
    );
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
    expect(stored()).toEqual(['a', 'b', 'c']);
    expect(told).toEqual(['a', 'b', 'c']);
    expect(logged).toEqual(['group commit failed; retrying its writes one by one Error']);
  });

  test('work can catch the failure of its own statement', async () => {
    await batch.write(() => put('a'));
    const value = await batch.write(function* () {
      try {
        yield* put('a');
      } catch {
        return yield* put('b');
      }
      return 'not reached';
    });
    expect(value).toBe('b');
  });

  test('a failing committed callback is logged, and the write resolves', async () => {
    const value = await batch.write(
      () => put('a'),
      () => {
        throw new RangeError('secret');
      },
    );
    expect(value).toBe('a');
    expect(logged).toEqual(['a callback after a commit failed RangeError']);
  });

  test('drain waits for all queued writes', async () => {
    void batch.write(
      () => put('a'),
      () => void batch.write(() => put('b')),
    );
    await batch.drain();
    expect(stored()).toEqual(['a', 'b']);
    await batch.drain();
  });

  test('a queue above the transaction limit is split', async () => {
    const writes = Array.from({ length: 300 }, (_, n) => batch.write(() => put(`v${n}`)));
    await Promise.all(writes);
    expect(statements.filter((each) => each === 'COMMIT')).toHaveLength(5);
    expect(stored()).toEqual(Array.from({ length: 300 }, (_, n) => `v${n}`));
  });

  test('a write of many rows is committed alone', async () => {
    const write = (value: string, rows = 1): Promise<string> =>
      batch.write(() => put(value), undefined, { rows: () => rows });
    await Promise.all([write('a'), write('b', 100), write('c'), write('d', 63), write('e')]);
    const commits = statements.join(' ').split('COMMIT').slice(0, -1);
    expect(commits.map((each) => each.match(/INSERT/gi)?.length)).toEqual([1, 1, 2, 1]);
    expect(stored()).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  test('nothing is written into a transaction that the app has open', async () => {
    db.exec('BEGIN');
    await expect(batch.write(() => put('a'))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    db.exec('ROLLBACK');
    await batch.write(() => put('b'));
    expect(stored()).toEqual(['b']);
  });
});

test('a database locked by another process is UNAVAILABLE', async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, 'comm.sqlite');
  const [ours, theirs] = [new DatabaseSync(path), new DatabaseSync(path)];
  ours.exec('PRAGMA journal_mode = WAL; CREATE TABLE t (value TEXT UNIQUE)');
  theirs.exec('BEGIN IMMEDIATE');
  const batch = new GroupCommit(databaseOf(ours), silentLogger, new OutageTracker(silentLogger));
  const results = await Promise.allSettled([batch.write(() => put('a')), batch.write(() => put('b'))]);
  expect(results).toMatchObject([0, 1].map(() => ({ reason: { code: 'UNAVAILABLE', retryAfterMs: 1_000 } })));
  theirs.exec('ROLLBACK');
  expect(await batch.write(() => put('a'))).toBe('a');
  ours.close();
  theirs.close();
});

test('callbacks wait for a pause before them, in order, and the next transaction for the last one', async () => {
  const db = new DatabaseSync(':memory:');
  db.exec('CREATE TABLE t (value TEXT UNIQUE)');
  const statements: string[] = [];
  watchStatements(db, (sql) => statements.push(sql));
  const events: string[] = [];
  const resumes: (() => void)[] = [];
  const pause = (): Promise<void> =>
    new Promise((resolve) => {
      events.push('pause');
      resumes.push(resolve);
    });
  const stored = (rows: number): void => void events.push(`stored ${rows}`);
  const batch = new GroupCommit(databaseOf(db), silentLogger, new OutageTracker(silentLogger), {
    turns: { stored, pause },
  });
  const writes = ['a', 'b'].map((value) =>
    batch.write(
      () => put(value),
      () => events.push(value),
    ),
  );
  await expect.poll(() => events).toEqual(['stored 2', 'pause']);
  const later = batch.write(
    () => put('c'),
    () => events.push('c'),
  );
  resumes.shift()?.();
  await expect.poll(() => events).toEqual(['stored 2', 'pause', 'a', 'pause']);
  expect(statements.filter((sql) => sql === 'COMMIT')).toHaveLength(1);
  resumes.shift()?.();
  await expect.poll(() => events).toEqual(['stored 2', 'pause', 'a', 'pause', 'b', 'stored 1', 'pause']);
  resumes.shift()?.();
  await Promise.all([...writes, later]);
  db.close();
});
