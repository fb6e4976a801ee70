import { describe, expect, test } from 'vitest';
import {
  all,
  drive,
  first,
  transaction,
  type Statement,
  type Work,
} from '../../../../../src/server/store/engine/work.ts';

const ask = (sql: string): Statement<{ sql: string }> => ({ sql, parameters: [], kind: 'rows', writes: false });
const echo = ({ sql }: Statement) => {
  if (sql === 'fail') throw new Error('no such table');
  return [{ sql }];
};
const later = async (statement: Statement) => {
  await Promise.resolve();
  return echo(statement);
};

describe.each([
  ['a synchronous driver', echo],
  ['an asynchronous driver', later],
  [
    'a driver that is synchronous for some statements',
    (statement: Statement) => (statement.sql === 'b' ? later(statement) : echo(statement)),
  ],
])('work on %s', (_name, execute) => {
  test('receives the rows of each statement in order', async () => {
    const work = function* (): Work<string> {
      const a = yield* first(ask('a'));
      const b = yield* all(ask('b'));
      return `${a?.sql} ${b.length} ${(yield* first(ask('c')))?.sql}`;
    };
    expect(await drive(work(), execute)).toBe('a 1 c');
  });

  test('catches the failure of its statement', async () => {
    const work = function* (): Work<string> {
      yield* all(ask('b'));
      try {
        yield* all(ask('fail'));
      } catch (error) {
        return `${(error as Error).message}, then ${(yield* first(ask('c')))?.sql}`;
      }
      return 'not reached';
    };
    expect(await drive(work(), execute)).toBe('no such table, then c');
  });

  test('rejects with what it throws', async () => {
    const work = function* (): Work<never> {
      yield* all(ask('b'));
      throw new RangeError('mine');
    };
    await expect((async () => drive(work(), execute))()).rejects.toThrow(RangeError);
  });
});

test('on a synchronous driver the result is available at once', () => {
  expect(drive(first(ask('a')), echo)).toEqual({ sql: 'a' });
});

describe('a transaction', () => {
  function ran(work: () => Work<unknown>, failing: readonly string[] = []) {
    const statements: string[] = [];
    const execute = ({ sql }: Statement) => {
      statements.push(sql);
      if (failing.includes(sql)) throw new Error(`${sql} failed`);
      return [];
    };
    let error: unknown;
    try {
      void drive(transaction('write', work), execute);
    } catch (thrown) {
      error = thrown;
    }
    return { statements, error };
  }

  test('takes the write lock at the start and commits at the end', () => {
    expect(ran(() => all(ask('a')))).toEqual({ statements: ['BEGIN IMMEDIATE', 'a', 'COMMIT'], error: undefined });
  });

  test('is rolled back after a failure, which is reported', () => {
    expect(ran(() => all(ask('a')), ['a', 'ROLLBACK'])).toEqual({
      statements: ['BEGIN IMMEDIATE', 'a', 'ROLLBACK'],
      error: new Error('a failed'),
    });
  });

  test('is rolled back if the commit fails', () => {
    expect(ran(() => all(ask('a')), ['COMMIT']).statements).toEqual(['BEGIN IMMEDIATE', 'a', 'COMMIT', 'ROLLBACK']);
  });

  test("is not ended if it couldn't begin", () => {
    expect(ran(() => all(ask('a')), ['BEGIN IMMEDIATE']).statements).toEqual(['BEGIN IMMEDIATE']);
  });
});
