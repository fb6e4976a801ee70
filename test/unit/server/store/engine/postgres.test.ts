import { expect, test } from 'vitest';
import { PostgresDatabase } from '../../../../../src/server/store/engine/postgres.ts';
import type {
  PostgresClient,
  PostgresQuery,
  PostgresResult,
} from '../../../../../src/server/store/engine/postgres-pool.ts';
import { all, run, type Statement, type Work } from '../../../../../src/server/store/engine/work.ts';

interface Sent {
  readonly text: string;
  answer(rows?: readonly unknown[], command?: string): Promise<void>;
  fail(code: string | undefined): Promise<void>;
}

/** A pool with connections that are answered by the test. */
class FakePool {
  readonly totalCount = 0;
  /** What was sent and not answered yet. */
  readonly waiting: Sent[] = [];
  /** Whether each released connection was closed. */
  readonly closed: boolean[] = [];
  readonly #pipeline: boolean;

  constructor(pipeline: boolean) {
    this.#pipeline = pipeline;
  }

  connect(): Promise<PostgresClient> {
    const client: PostgresClient = {
      pipeline: this.#pipeline,
      query: (query) => this.#query(query),
      release: (destroy = false) => void this.closed.push(destroy),
      on: () => undefined,
      off: () => undefined,
    };
    return Promise.resolve(client);
  }

  on(): void {}

  /** The texts that wait for an answer, without their locks. */
  texts(): string[] {
    return this.waiting.map(({ text }) => text.replace(/;.*/, ''));
  }

  async answerAll(): Promise<void> {
    for (const each of this.waiting.splice(0)) await each.answer();
  }

  #query({ text }: PostgresQuery): Promise<PostgresResult> {
    return new Promise((resolve, reject) => {
      this.waiting.push({
        text,
        answer(rows = [], command = text.split(/[ ;]/)[0] ?? '') {
          resolve({ rows, command });
          return turn();
        },
        fail(code) {
          reject(Object.assign(new Error(`failure ${code ?? 'of the connection'}`), { code }));
          return turn();
        },
      });
    });
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

const select = (what: string): Statement => ({ sql: `SELECT ${what}`, parameters: [], kind: 'rows', writes: false });
const insert = (what: string): Statement => ({ sql: `INSERT ${what}`, parameters: [], kind: 'run', writes: true });

function part(name: string, keys: readonly string[] | undefined) {
  return {
    keys,
    *work(): Work<void> {
      yield* all(select(name));
      yield* run(insert(`${name} 1`));
      yield* run(insert(`${name} 2`));
    },
  };
}
const BEGIN = 'BEGIN ISOLATION LEVEL READ COMMITTED';

test('a transaction begins with the first statements, and those without rows are sent with the next', async () => {
  const pool = new FakePool(true);
  const done = new PostgresDatabase(pool).write([part('a', ['x']), part('b', ['y'])]);
  await turn();
  expect(pool.texts()).toEqual([BEGIN, 'SELECT a', 'SELECT b']);
  await pool.answerAll();
  expect(pool.texts()).toEqual(['INSERT a 1', 'INSERT a 2', 'INSERT b 1', 'INSERT b 2', 'COMMIT']);
  await pool.answerAll();
  await done;
  expect(pool.closed).toEqual([false]);
});

test('parts with a common key run one after the other', async () => {
  const pool = new FakePool(true);
  const done = new PostgresDatabase(pool).write([part('a', ['x']), part('b', ['x'])]);
  await turn();
  expect(pool.texts()).toEqual([BEGIN, 'SELECT a']);
  await pool.answerAll();
  expect(pool.texts()).toEqual(['INSERT a 1', 'INSERT a 2', 'SELECT b']);
  while (pool.waiting.length > 0) await pool.answerAll();
  await done;
});

test('a connection without pipelining has one statement at a time', async () => {
  const pool = new FakePool(false);
  const done = new PostgresDatabase(pool).write([part('a', ['x']), part('b', ['y'])]);
  const texts: string[] = [];
  for (await turn(); pool.waiting.length > 0; await pool.answerAll()) {
    expect(pool.waiting).toHaveLength(1);
    texts.push(...pool.texts());
  }
  await done;
  expect(texts.slice(0, 3)).toEqual([BEGIN, 'SELECT a', 'SELECT b']);
  expect(texts.at(-1)).toBe('COMMIT');
});

test('nothing is written before the transaction is known to have begun', async () => {
  const pool = new FakePool(true);
  const done = new PostgresDatabase(pool)
    .write([{ keys: ['x'], work: () => run(insert('first')) }])
    .catch((error: unknown) => error);
  await turn();
  expect(pool.texts()).toEqual([BEGIN]);
  await pool.waiting.shift()?.fail('57014');
  expect(pool.texts()).toEqual(['ROLLBACK']);
  await pool.answerAll();
  expect(await done).toMatchObject({ code: '57014' });
});

test('the failure of a statement that was not awaited is that of the transaction, which does not commit', async () => {
  const pool = new FakePool(true);
  const done = new PostgresDatabase(pool).write([part('a', ['x'])]).catch((error: unknown) => error);
  await turn();
  await pool.answerAll();
  const [first, second, commit] = pool.waiting.splice(0);
  expect(commit?.text).toBe('COMMIT');
  await first?.fail('23505');
  await second?.fail('25P02');
  await commit?.fail('25P02');
  expect(pool.texts()).toEqual(['ROLLBACK']);
  await pool.answerAll();
  expect(await done).toMatchObject({ code: '23505', isInDoubt: false });
});

test('a commit that rolls back is a failure', async () => {
  const pool = new FakePool(true);
  const done = new PostgresDatabase(pool).write([part('a', ['x'])]).catch((error: unknown) => error);
  await turn();
  await pool.answerAll();
  const [first, second] = pool.waiting.splice(0, 2);
  await first?.fail('23505');
  await second?.fail('25P02');
  // The server answers a commit of a failed transaction with `ROLLBACK`.
  const commit = pool.waiting.shift();
  await commit?.answer([], 'ROLLBACK');
  await pool.answerAll();
  expect(await done).toMatchObject({ code: '23505' });
});

test.each([
  ['whose connection is lost runs again', undefined, 2],
  ['that is the victim of a deadlock runs again', '40P01', 2],
  ['that the shutdown of Postgres ends runs again', '57P01', 2],
  ['for which the disk is full does not run again', '53100', 1],
])('a transaction %s', async (_, code, times) => {
  const pool = new FakePool(true);
  let runs = 0;
  const counted = {
    keys: ['x'],
    *work(): Work<void> {
      runs += 1;
      yield* all(select('a'));
    },
  };
  const done = new PostgresDatabase(pool).write([counted]).catch((error: unknown) => error);
  await turn();
  const [begin, first] = pool.waiting.splice(0);
  await begin?.answer();
  await first?.fail(code);
  while (pool.waiting.length > 0) await pool.answerAll();
  await done;
  expect(runs).toBe(times);
});

test('a connection that is lost during the commit is reported, and the transaction does not run again', async () => {
  const pool = new FakePool(true);
  const done = new PostgresDatabase(pool).write([part('a', ['x'])]).catch((error: unknown) => error);
  await turn();
  await pool.answerAll();
  for (const each of pool.waiting.splice(0)) await each.fail(undefined);
  expect(await done).toMatchObject({ code: '08006', isInDoubt: true });
  expect(pool.waiting).toEqual([]);
  expect(pool.closed).toEqual([true]);
});

test('a read is answered before the end of its transaction, and its connection is free after it', async () => {
  const pool = new FakePool(true);
  const done = new PostgresDatabase(pool).read(() => all(select('a')));
  await turn();
  expect(pool.texts()).toEqual(['BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY', 'SELECT a']);
  const [begin, first] = pool.waiting.splice(0);
  await begin?.answer();
  await first?.answer([{ a: 1 }]);
  expect(await done).toEqual([{ a: 1 }]);
  expect(pool.texts()).toEqual(['COMMIT']);
  expect(pool.closed).toEqual([]);
  await pool.answerAll();
  expect(pool.closed).toEqual([false]);
});
