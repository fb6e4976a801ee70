import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { LogFields, Logger } from '../../../src/lib/logger.ts';
import { silentLogger } from '../../../src/lib/logger.ts';
import { CommError } from '../../../src/protocol/errors.ts';
import { databaseOf } from '../../../src/server/store/database.ts';
import { all, run, type Statement, type Work } from '../../../src/server/store/work.ts';
import { Outages } from '../../../src/server/store/outages.ts';
import { WriteBatch } from '../../../src/server/store/write-batch.ts';
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

describe('group commit', () => {
  let db: DatabaseSync;
  let statements: string[];
  let logged: string[];
  let batch: WriteBatch;
  beforeEach(() => {
    db = new DatabaseSync(':memory:');
    db.exec('CREATE TABLE t (value TEXT UNIQUE)');
    statements = [];
    logged = [];
    watchStatements(db, (sql) => statements.push(sql.split(' ')[0] ?? ''));
    const log = (message: string, fields: LogFields = {}): void => void logged.push(`${message} ${fields['error']}`);
    const logger: Logger = { ...silentLogger, warn: log, error: log };
    batch = new WriteBatch(databaseOf(db), logger, new Outages(logger));
  });
  afterEach(() => db.close());

  const stored = () =>
    db
      .prepare('SELECT value FROM t ORDER BY rowid')
      .all()
      .map((row) => row['value']);

  test('what is asked for together is one transaction, in order', async () => {
    const values = await Promise.all(['a', 'b', 'c'].map((value) => batch.write(() => put(value))));
    expect(values).toEqual(['a', 'b', 'c']);
    expect(statements).toEqual(['BEGIN', 'INSERT', 'INSERT', 'INSERT', 'COMMIT']);
  });

  test('what follows a commit happens after it, in order, before the promises settle and the next transaction starts', async () => {
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

  test('what is asked for while one is told goes into the next transaction', async () => {
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

  test('a refusal before the first write leaves the others alone, in the same transaction', async () => {
    const refused = batch.write(function* (): Work<never> {
      yield* all(select);
      throw new CommError('NOT_FOUND', 'Not found');
    });
    const results = await Promise.allSettled([batch.write(() => put('a')), refused, batch.write(() => put('b'))]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(statements.filter((each) => each === 'COMMIT')).toHaveLength(1);
    expect(stored()).toEqual(['a', 'b']);
  });

  test('a refusal after a write takes that write back, and no other', async () => {
    const refused = batch.write(function* (): Work<never> {
      yield* put('half');
      throw new CommError('CONFLICT', 'No');
    });
    const results = await Promise.allSettled([batch.write(() => put('a')), refused, batch.write(() => put('b'))]);
    expect(results[1]).toMatchObject({ status: 'rejected', reason: { code: 'CONFLICT' } });
    expect(stored()).toEqual(['a', 'b']);
  });

  test('an unexpected failure fails its own write, the others are tried one by one', async () => {
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
    expect(logged).toEqual(['A batch of writes failed and is tried one by one Error']);
  });

  test('a failure inside a work can be handled there', async () => {
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

  test('what follows a write may fail: the write is stored and answered, and the failure logged', async () => {
    const value = await batch.write(
      () => put('a'),
      () => {
        throw new RangeError('secret');
      },
    );
    expect(value).toBe('a');
    expect(logged).toEqual(['What follows a write failed RangeError']);
  });

  test('draining waits for all that was asked for', async () => {
    void batch.write(
      () => put('a'),
      () => void batch.write(() => put('b')),
    );
    await batch.drain();
    expect(stored()).toEqual(['a', 'b']);
    await batch.drain();
  });

  test('more than one transaction takes is split, and all of it is done', async () => {
    const writes = Array.from({ length: 300 }, (_, n) => batch.write(() => put(`v${n}`)));
    await Promise.all(writes);
    expect(statements.filter((each) => each === 'COMMIT')).toHaveLength(3);
    expect(stored()).toEqual(Array.from({ length: 300 }, (_, n) => `v${n}`));
  });

  test('nothing is written into a transaction that the app has open', async () => {
    db.exec('BEGIN');
    await expect(batch.write(() => put('a'))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    db.exec('ROLLBACK');
    await batch.write(() => put('b'));
    expect(stored()).toEqual(['b']);
  });
});

test('a database that another process keeps is unavailable for now', async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, 'comm.sqlite');
  const [ours, theirs] = [new DatabaseSync(path), new DatabaseSync(path)];
  ours.exec('PRAGMA journal_mode = WAL; CREATE TABLE t (value TEXT UNIQUE)');
  theirs.exec('BEGIN IMMEDIATE');
  const batch = new WriteBatch(databaseOf(ours), silentLogger, new Outages(silentLogger));
  const results = await Promise.allSettled([batch.write(() => put('a')), batch.write(() => put('b'))]);
  expect(results).toMatchObject([0, 1].map(() => ({ reason: { code: 'UNAVAILABLE', retryAfterMs: 1_000 } })));
  theirs.exec('ROLLBACK');
  expect(await batch.write(() => put('a'))).toBe('a');
  ours.close();
  theirs.close();
});
