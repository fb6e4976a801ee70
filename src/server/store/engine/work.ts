/** Values that SQLite can bind. Booleans are stored as 0 and 1, JSON as text. */
export type SqlValue = string | number | bigint | null | Uint8Array;

/** A statement with its parameters. The SQL is constant, so that a driver can cache the prepared statement. */
export interface Statement<Row = unknown> {
  readonly sql: string;
  readonly parameters: readonly SqlValue[];
  /**
   * `rows` returns rows as objects, `arrays` as arrays in the order of the columns, which is cheaper, `run` returns none,
   * `script` contains several statements without parameters.
   */
  readonly kind: 'rows' | 'arrays' | 'run' | 'script';
  /** Whether the statement can change the database. */
  readonly writes: boolean;
  /** Type of a row; never set at run time. */
  readonly row?: Row | undefined;
}

/**
 * Database work: a generator that yields statements and receives their rows. The same function runs on a synchronous
 * driver without interruption, so that its transaction can't be interleaved, and on an asynchronous driver. Compose
 * with `yield*`.
 */
export type Work<T> = Generator<Statement, T, readonly unknown[]>;

/** Returns all rows of a statement. */
export function* all<Row>(statement: Statement<Row>): Work<readonly Row[]> {
  return (yield statement) as readonly Row[];
}

/** Returns the first row, if any. */
export function* first<Row>(statement: Statement<Row>): Work<Row | undefined> {
  return ((yield statement) as readonly Row[])[0];
}

/** Runs a statement and discards its result. */
export function* run(statement: Statement): Work<void> {
  yield statement;
}

/** Several statements without parameters, for schema changes. */
export function script(sql: string): Statement {
  return { sql, parameters: [], kind: 'script', writes: true };
}

/** SQL of the statements with which {@link transaction} begins and ends. */
export const TRANSACTION_COMMANDS = {
  begin: 'BEGIN',
  beginWrite: 'BEGIN IMMEDIATE',
  commit: 'COMMIT',
  rollback: 'ROLLBACK',
} as const;

const BEGIN_READ = command(TRANSACTION_COMMANDS.begin);
const BEGIN_WRITE = command(TRANSACTION_COMMANDS.beginWrite);
const COMMIT = command(TRANSACTION_COMMANDS.commit);
const ROLLBACK = command(TRANSACTION_COMMANDS.rollback);

/**
 * Runs `work` in a transaction. A write transaction takes the write lock at its start, because upgrading a read lock
 * later can fail.
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
      // SQLite rolls back after some failures by itself. The first error is reported.
    }
    throw error;
  }
}

function command(sql: string): Statement {
  return { sql, parameters: [], kind: 'run', writes: false };
}

/**
 * Runs `work` to its end. Synchronous as long as `execute` is; the result is a promise only if `execute` returns one.
 * An exception of a statement is thrown inside the work, which can catch it.
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
