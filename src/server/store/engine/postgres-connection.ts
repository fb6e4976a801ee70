import type { ReadSession } from './database.ts';
import { lockStatement } from './postgres-locks.ts';
import type { PostgresClient, PostgresPool, PostgresQuery, PostgresResult } from './postgres-pool.ts';
import { toPostgres, toPostgresSchema, type PostgresStatement } from './postgres-sql.ts';
import { ROW_TYPES, toParameter } from './postgres-values.ts';
import { TRANSACTION_COMMANDS, type Statement } from './work.ts';

/** A read sees one snapshot. */
const BEGIN_READ = 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY';
/** A statement sees what was committed before it, and so everything that the locks have waited for. */
const BEGIN_WRITE = 'BEGIN ISOLATION LEVEL READ COMMITTED';
const { begin, beginWrite, commit, rollback } = TRANSACTION_COMMANDS;

/** Failures after which the same transaction can succeed: serialization failure, deadlock, connection lost, shut down. */
const TRANSIENT = /^(?:40001|40P01|08\d\d\d|57P0[123])$/;
/** Failures of the connection or of its server, which other connections of the pool may not have. */
const BROKEN = /^(?:08\d\d\d|57P0[1-4]|25006)$/;
/** SQLSTATE of a lost connection, for errors of the connection that have none. */
const CONNECTION_FAILURE = '08006';
/** SQLSTATE of the statements that follow a failed one in its transaction. */
const TRANSACTION_FAILED = '25P02';
const SQLSTATE = /^[0-9A-Z]{5}$/;
/** Statements that are sent before the answer to the first of them is awaited. */
const MAX_UNAWAITED = 64;

/** A failure of Postgres or of the connection to it. */
export class PostgresFailure extends Error {
  /** SQLSTATE. */
  readonly code: string;
  /** Whether the transaction may have been committed. */
  readonly isInDoubt: boolean;

  /** @param isCommitting - whether the server may have received the `COMMIT` */
  constructor(cause: unknown, isCommitting: boolean) {
    const { message, code } = cause instanceof Error ? (cause as NodeJS.ErrnoException) : { message: String(cause) };
    super(message, { cause });
    this.name = 'PostgresFailure';
    this.code = code !== undefined && SQLSTATE.test(code) ? code : CONNECTION_FAILURE;
    // Any other failure of a commit is a rollback.
    this.isInDoubt = isCommitting && BROKEN.test(this.code);
  }

  /** Whether the same transaction can succeed when it runs again. */
  get isTransient(): boolean {
    return !this.isInDoubt && TRANSIENT.test(this.code);
  }
}

interface Prepared extends PostgresStatement {
  readonly name: string;
}

/** Bounded by the number of statements in this package, because none is built at run time. */
const statements = new Map<string, Prepared>();

function prepared(sql: string): Prepared {
  let found = statements.get(sql);
  if (found === undefined) {
    found = { ...toPostgres(sql), name: `lumen_comm_${statements.size}` };
    statements.set(sql, found);
  }
  return found;
}

/**
 * A connection that is taken from the pool for one piece of work.
 *
 * Statements are sent without waiting for the answers to earlier ones, if the pool has the option `pipeline`: a `BEGIN` with
 * the first statement, and those that return no rows with the next one. The server runs them in order. After a failure it
 * rejects all that follow in the transaction, so the first failure is the one that is reported.
 */
export class PostgresConnection implements ReadSession {
  readonly #pool: PostgresPool;
  readonly #client: PostgresClient;
  readonly #timeout: Pick<PostgresQuery, 'query_timeout'>;
  /** Whether the connection can't be used again: it is lost, or in a transaction. */
  #isBroken = false;
  #inTransaction = false;
  #isCommitting = false;
  #isReleased = false;
  /** Settles when the transaction has begun. */
  #begun: Promise<unknown> | undefined;
  #failure: PostgresFailure | undefined;
  readonly #unawaited: Promise<unknown>[] = [];
  /** The last statement of a connection without pipelining. */
  #tail: Promise<unknown> = Promise.resolve();

  private constructor(pool: PostgresPool, client: PostgresClient, timeoutMs: number | undefined) {
    this.#pool = pool;
    this.#client = client;
    this.#timeout = timeoutMs === undefined ? {} : { query_timeout: timeoutMs };
    client.on('error', this.#lost);
  }

  /**
   * Takes a connection.
   *
   * @param timeoutMs - time after which an answer is no longer waited for; by default that of the pool
   */
  static async take(pool: PostgresPool, timeoutMs?: number): Promise<PostgresConnection> {
    try {
      return new PostgresConnection(pool, await pool.connect(), timeoutMs);
    } catch (error) {
      throw new PostgresFailure(error, false);
    }
  }

  /** Begins a transaction that reads, with the next statement. */
  beginRead(): void {
    this.#begin(BEGIN_READ);
  }

  /** Begins a transaction that writes, with the next statement, and takes its locks; see {@link lockStatement}. */
  beginWrite(keys: readonly string[] | undefined): void {
    this.#begin(`${BEGIN_WRITE}; ${lockStatement(keys)}`);
  }

  /**
   * Runs a statement of a transaction. One that returns no rows is only sent: its failure is that of a later statement, or of the
   * commit.
   */
  pipe(statement: Statement): readonly unknown[] | Promise<readonly unknown[]> {
    // If `BEGIN` failed, what follows would be committed by itself.
    if (statement.writes && this.#begun !== undefined) return this.#afterBegin(statement);
    if (statement.kind !== 'run' || this.#unawaited.length >= MAX_UNAWAITED) return this.#answer(statement);
    this.#dontAwait(this.#query(queryOf(statement)));
    return [];
  }

  /** Commits the transaction. @throws PostgresFailure the first one of the transaction */
  async commit(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    this.#isCommitting = true;
    const answer = this.#query({ text: commit });
    const { command } = await this.#first(answer);
    await this.#settled();
    this.#ended();
    // A transaction that failed is rolled back by its commit.
    if (command !== commit) throw this.#failure ?? new Error('The transaction was rolled back');
  }

  /** Rolls the transaction back. Never rejects. */
  async rollback(): Promise<void> {
    await this.#settled();
    if (this.#isBroken) return;
    try {
      await this.#query({ text: rollback });
      this.#ended();
    } catch {
      // The connection is closed then.
    }
  }

  /** Runs a statement, or the command of a transaction, and waits for its answer. */
  async run(statement: Statement): Promise<readonly unknown[]> {
    const { sql } = statement;
    if (sql === begin) this.beginRead();
    else if (sql === beginWrite) this.beginWrite(undefined);
    else if (sql === commit) await this.commit();
    else if (sql === rollback) await this.rollback();
    else return await this.#answer(statement);
    await this.#begun;
    return [];
  }

  execute(statement: Statement, begins: boolean): Promise<readonly unknown[]> {
    if (begins) this.beginRead();
    return this.#answer(statement);
  }

  /** Ends a transaction that reads, and returns the connection to the pool when the server has answered. */
  end(): void {
    void this.commit()
      .catch(() => this.rollback())
      .finally(() => this.release());
  }

  /** Cancels the running statement, and closes the connection. */
  async stop(): Promise<void> {
    this.#isBroken = true;
    // First, so that the pool has room for the connection that cancels.
    this.release();
    await this.#cancel();
  }

  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    const destroy = this.#isBroken || this.#inTransaction;
    // A connection that is closed can still report errors.
    if (!destroy) this.#client.off('error', this.#lost);
    this.#client.release(destroy);
  }

  #begin(text: string): void {
    this.#inTransaction = true;
    this.#failure = undefined;
    const begun = this.#query({ text });
    this.#begun = begun;
    this.#dontAwait(
      begun.then(() => {
        if (this.#begun === begun) this.#begun = undefined;
      }),
    );
  }

  #ended(): void {
    this.#inTransaction = false;
    this.#isCommitting = false;
  }

  async #afterBegin(statement: Statement): Promise<readonly unknown[]> {
    await this.#begun?.catch(() => undefined);
    if (this.#failure !== undefined) throw this.#failure;
    return await this.pipe(statement);
  }

  async #answer(statement: Statement): Promise<readonly unknown[]> {
    const { rows } = await this.#first(this.#query(queryOf(statement)));
    return statement.kind === 'run' ? [] : rows;
  }

  /** Returns the answer, or rejects with the first failure of the transaction. */
  async #first(answer: Promise<PostgresResult>): Promise<PostgresResult> {
    try {
      return await answer;
    } catch (error) {
      throw this.#failure ?? error;
    }
  }

  async #query(query: PostgresQuery): Promise<PostgresResult> {
    try {
      return await this.#send({ ...query, ...this.#timeout });
    } catch (error) {
      const failure = new PostgresFailure(error, this.#isCommitting);
      if (BROKEN.test(failure.code)) this.#isBroken = true;
      if (failure.code !== TRANSACTION_FAILED) this.#failure ??= failure;
      throw failure;
    }
  }

  #send(query: PostgresQuery): Promise<PostgresResult> {
    if (this.#client.pipeline === true) return this.#client.query(query);
    const answer = this.#tail.then(() => this.#client.query(query));
    this.#tail = answer.catch(() => undefined);
    return answer;
  }

  #dontAwait(answer: Promise<unknown>): void {
    // Its failure is kept.
    const settled = answer.catch(() => undefined);
    this.#unawaited.push(settled);
    void settled.then(() => this.#unawaited.splice(this.#unawaited.indexOf(settled), 1));
  }

  async #settled(): Promise<void> {
    await Promise.all(this.#unawaited);
  }

  /** Needs another connection of the pool. Without one, the statement ends by its own timeout. */
  async #cancel(): Promise<void> {
    const { processID } = this.#client;
    if (typeof processID !== 'number') return;
    try {
      const other = await this.#pool.connect();
      try {
        await other.query({ text: `SELECT pg_cancel_backend(${processID})` });
        other.release();
      } catch {
        other.release(true);
      }
    } catch {
      // No connection.
    }
  }

  readonly #lost = (): void => {
    this.#isBroken = true;
  };
}

function queryOf({ sql, parameters, kind }: Statement): PostgresQuery {
  if (kind === 'script') return { text: toPostgresSchema(sql) };
  const { sql: text, name, jsonParameters } = prepared(sql);
  const values = parameters.map((value, at) => toParameter(value, jsonParameters.has(at)));
  return { text, name, values, types: ROW_TYPES, ...(kind === 'arrays' && { rowMode: 'array' }) };
}
