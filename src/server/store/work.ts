/** What SQLite can bind; booleans travel as 0 and 1, JSON as text. */
export type SqlValue = string | number | bigint | null | Uint8Array;

/** One statement, ready to run. The text is the same on every run, so that a driver can keep it prepared. */
export interface Statement<Row = unknown> {
  readonly sql: string;
  readonly parameters: readonly SqlValue[];
  /** `rows` answers with rows, `run` with none, `script` is many statements without parameters. */
  readonly kind: 'rows' | 'run' | 'script';
  /** Whether it can change the database. */
  readonly writes: boolean;
  /** Only for the compiler: what a row looks like. */
  readonly row?: Row | undefined;
}

/**
 * A piece of database work: a generator that yields statements and is given their rows. One and the same function so
 * runs on a synchronous driver without ever letting other code in between (a transaction can't be interleaved), and on
 * an asynchronous one. Pieces compose by `yield*`.
 */
export type Work<T> = Generator<Statement, T, readonly unknown[]>;

/** All rows of a statement. */
export function* all<Row>(statement: Statement<Row>): Work<readonly Row[]> {
  return (yield statement) as readonly Row[];
}

/** The first row, if any. */
export function* first<Row>(statement: Statement<Row>): Work<Row | undefined> {
  return ((yield statement) as readonly Row[])[0];
}

/** For statements whose answer nobody needs. */
export function* run(statement: Statement): Work<void> {
  yield statement;
}

/** Several statements in one text, without parameters: for schema changes. */
export function script(sql: string): Statement {
  return { sql, parameters: [], kind: 'script', writes: true };
}

const BEGIN_READ = command('BEGIN', false);
const BEGIN_WRITE = command('BEGIN IMMEDIATE', false);
const COMMIT = command('COMMIT', false);
const ROLLBACK = command('ROLLBACK', false);

/**
 * Runs `work` on one snapshot of the database. A writing transaction takes the write lock at once: waiting for it in the
 * middle could only fail.
 */
export function* transaction<T>(mode: 'read' | 'write', work: () => Work<T>): Work<T> {
  yield mode === 'read' ? BEGIN_READ : BEGIN_WRITE;
  try {
    const value = yield* work();
    yield COMMIT;
    return value;
  } catch (error) {
    try {
      yield ROLLBACK;
    } catch {
      // SQLite rolls some failures back by itself; the first error is the one that tells.
    }
    throw error;
  }
}

function command(sql: string, writes: boolean): Statement {
  return { sql, parameters: [], kind: 'run', writes };
}

/**
 * Runs `work` to its end. Synchronous for as long as `execute` is: only an answer that is a promise makes the result
 * one. What a statement throws is thrown inside the work, where it can be caught.
 */
export function drive<T>(
  work: Work<T>,
  execute: (statement: Statement) => readonly unknown[] | Promise<readonly unknown[]>,
  resume: () => IteratorResult<Statement, T> = () => work.next([]),
): T | Promise<T> {
  let step = resume();
  while (step.done !== true) {
    let rows: readonly unknown[] | Promise<readonly unknown[]>;
    try {
      rows = execute(step.value);
    } catch (error) {
      step = work.throw(error);
      continue;
    }
    if (rows instanceof Promise) {
      return rows.then(
        (settled) => drive(work, execute, () => work.next(settled)),
        (error: unknown) => drive(work, execute, () => work.throw(error)),
      );
    }
    step = work.next(rows);
  }
  return step.value;
}
