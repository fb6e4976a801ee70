import { isCommError } from '../../../protocol/errors.ts';
import { ProcessClaim } from './process-claim.ts';
import { ROW_TYPES, toParameter } from './postgres-values.ts';
import type { OwnedPool, PostgresClient, PostgresPool } from './postgres-pool.ts';
import { toPostgres, toPostgresSchema, type PostgresStatement } from './postgres-sql.ts';
import type { Database, ReadSession } from './database.ts';
import { drive, transaction, type Statement, type Work } from './work.ts';

/** Serializes the transactions that write, across processes, as SQLite's write lock does. */
const WRITE_LOCK = 0x6c75_6d65;
const COMMIT = 'COMMIT';
/** The commands of transactions. A read sees one snapshot. */
const COMMANDS: ReadonlyMap<string, string> = new Map([
  ['BEGIN', 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY'],
  ['BEGIN IMMEDIATE', `BEGIN; SELECT pg_advisory_xact_lock(${WRITE_LOCK})`],
  [COMMIT, COMMIT],
  ['ROLLBACK', 'ROLLBACK'],
]);

/** Failures after which the same transaction can succeed: serialization failure, deadlock, connection lost, shut down. */
const TRANSIENT = /^(?:40001|40P01|08\d\d\d|57P0[123])$/;
/** SQLSTATE of a lost connection, for errors of the connection that have none. */
const CONNECTION_FAILURE = '08006';
const SQLSTATE = /^[0-9A-Z]{5}$/;

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

/** Connections of a pool that the server opens. One holds the claim of the process, one writes, the others read. */
const MAX_CONNECTIONS = 10;
const CONNECT_TIMEOUT_MS = 5_000;
/** Time in ms after which Postgres gives a statement up, and after which its answer is no longer waited for. */
const STATEMENT_TIMEOUT_MS = 30_000;
const ANSWER_TIMEOUT_MS = 35_000;

/** Opens a pool of connections. Loads the driver. @param url - `postgres://…`, with the parameters of `pg` */
export async function openPostgres(url: string): Promise<OwnedPool> {
  const { default: pg } = await import('pg');
  return new pg.Pool({
    connectionString: url,
    application_name: 'lumen-comm-server',
    max: MAX_CONNECTIONS,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    query_timeout: ANSWER_TIMEOUT_MS,
    keepAlive: true,
  });
}

/**
 * A Postgres database. Reads run at the same time, each on a connection of its own; transactions that write run one after the
 * other. A transaction that fails by a lost connection, a deadlock or a serialization failure before it was committed runs
 * once more, so work may run twice. When the connection is lost during the commit, its outcome is unknown, and the failure is
 * reported.
 */
export class PostgresDatabase implements Database {
  readonly dialect = 'postgres';
  readonly #pool: PostgresPool;
  readonly #claim: ProcessClaim;

  constructor(pool: PostgresPool) {
    this.#pool = pool;
    this.#claim = new ProcessClaim(pool);
    // Without a listener, the loss of an idle connection would end the process. The next query reports it.
    pool.on('error', () => undefined);
  }

  async run<T>(work: () => Work<T>): Promise<T> {
    try {
      return await this.#attempt(work);
    } catch (error) {
      if (!(error instanceof PostgresFailure) || error.isInDoubt || !TRANSIENT.test(error.code)) throw error;
      return await this.#attempt(work);
    }
  }

  async read<T>(work: () => Work<T>, failure: (error: unknown) => unknown = (error) => error): Promise<T> {
    try {
      return await this.run(() => transaction('read', work));
    } catch (error) {
      throw failure(error);
    }
  }

  /** No thread can open it: reads use connections of the pool. */
  shared(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  async session(): Promise<ReadSession> {
    return await PostgresConnection.take(this.#pool);
  }

  async claim(): Promise<void> {
    try {
      await this.#claim.hold();
    } catch (error) {
      throw isCommError(error) ? error : new PostgresFailure(error, false);
    }
  }

  unclaim(): Promise<void> {
    return this.#claim.release();
  }

  async #attempt<T>(work: () => Work<T>): Promise<T> {
    const connection = await PostgresConnection.take(this.#pool);
    try {
      return await drive(work(), (statement) => connection.run(statement));
    } finally {
      connection.release();
    }
  }
}

/** A failure of Postgres or of the connection to it. */
class PostgresFailure extends Error {
  /** SQLSTATE. */
  readonly code: string;
  /** Whether the transaction may have been committed. */
  readonly isInDoubt: boolean;

  constructor(cause: unknown, isCommit: boolean) {
    const { message, code } = cause instanceof Error ? (cause as NodeJS.ErrnoException) : { message: String(cause) };
    super(message, { cause });
    this.name = 'PostgresFailure';
    this.code = code !== undefined && SQLSTATE.test(code) ? code : CONNECTION_FAILURE;
    this.isInDoubt = isCommit;
  }
}

/** A connection that is taken from the pool for one piece of work. */
class PostgresConnection implements ReadSession {
  readonly #client: PostgresClient;
  /** Whether the connection can't be used again: it is lost, or in a transaction. */
  #isBroken = false;
  #inTransaction = false;
  #isReleased = false;

  private constructor(client: PostgresClient) {
    this.#client = client;
    client.on('error', this.#lost);
  }

  static async take(pool: PostgresPool): Promise<PostgresConnection> {
    try {
      return new PostgresConnection(await pool.connect());
    } catch (error) {
      throw new PostgresFailure(error, false);
    }
  }

  async run({ sql, parameters, kind }: Statement): Promise<readonly unknown[]> {
    const command = COMMANDS.get(sql);
    try {
      if (command !== undefined) {
        await this.#client.query({ text: command });
        this.#inTransaction = sql.startsWith('BEGIN');
        return [];
      }
      if (kind === 'script') return (await this.#client.query({ text: toPostgresSchema(sql) })).rows;
      const { sql: text, name, jsonParameters } = prepared(sql);
      const values = parameters.map((value, at) => toParameter(value, jsonParameters.has(at)));
      const rowMode = kind === 'arrays' ? ({ rowMode: 'array' } as const) : {};
      const { rows } = await this.#client.query({ text, name, values, types: ROW_TYPES, ...rowMode });
      return kind === 'run' ? [] : rows;
    } catch (error) {
      const failure = new PostgresFailure(error, sql === COMMIT);
      if (TRANSIENT.test(failure.code) && !failure.code.startsWith('40')) this.#isBroken = true;
      throw failure;
    }
  }

  execute(statement: Statement, begins: boolean): Promise<readonly unknown[]> {
    if (!begins) return this.run(statement);
    return this.#client
      .query({ text: COMMANDS.get('BEGIN') ?? '' })
      .then(() => (this.#inTransaction = true))
      .then(() => this.run(statement));
  }

  end(): void {
    void this.#client
      .query({ text: COMMIT })
      .then(() => (this.#inTransaction = false))
      .catch(() => (this.#isBroken = true))
      .finally(() => this.release());
  }

  stop(): Promise<void> {
    this.#isBroken = true;
    this.release();
    return Promise.resolve();
  }

  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    const destroy = this.#isBroken || this.#inTransaction;
    // A connection that is closed can still report errors.
    if (!destroy) this.#client.off('error', this.#lost);
    this.#client.release(destroy);
  }

  readonly #lost = (): void => {
    this.#isBroken = true;
  };
}
