import { isCommError } from '../../../protocol/errors.ts';
import { ProcessClaim, type ClaimMode } from './process-claim.ts';
import { PostgresConnection, PostgresFailure } from './postgres-connection.ts';
import { outlivesConnections, type OwnedPool, type PostgresPool } from './postgres-pool.ts';
import { runInOrder } from './run-in-order.ts';
import type { Database, ReadSession, WritePart } from './database.ts';
import { drive, type Work } from './work.ts';

/** Connections of a pool that the server opens. One holds the claim of the process, {@link WRITERS} write, the others read. */
const MAX_CONNECTIONS = 10;
/** Transactions of this process that write at the same time. */
const WRITERS = 4;
const CONNECT_TIMEOUT_MS = 5_000;
/** Time in ms after which Postgres gives a statement up, and after which its answer is no longer waited for. */
const STATEMENT_TIMEOUT_MS = 30_000;
const ANSWER_TIMEOUT_MS = 35_000;
/** The same for what a request waits for: a line on which nothing arrives must not be waited for longer than clients wait. */
const REQUEST_TIMEOUT_MS = 10_000;

/**
 * Opens a pool of connections. Loads the driver.
 *
 * @param url - `postgres://…`, with the parameters of `pg`
 * @param waits - whether a statement may take any time, as one that reads or checks a whole table
 */
export async function openPostgres(url: string, { waits = false } = {}): Promise<OwnedPool> {
  const { default: pg } = await import('pg');
  return new pg.Pool({
    connectionString: url,
    application_name: 'lumen-comm-server',
    max: MAX_CONNECTIONS,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    ...(!waits && { statement_timeout: STATEMENT_TIMEOUT_MS, query_timeout: ANSWER_TIMEOUT_MS }),
    keepAlive: true,
    pipeline: true,
  });
}

/**
 * A Postgres database. Reads run at the same time, each on a connection of its own, and so do transactions that write, if what
 * they change is declared and different; see {@link PostgresDatabase.write}.
 *
 * A transaction that fails by a lost connection, a deadlock or a serialization failure before it was committed runs once more,
 * so work may run twice. When the connection is lost during the commit, its outcome is unknown, and the failure is reported.
 */
export class PostgresDatabase implements Database {
  readonly dialect = 'postgres';
  readonly writers = WRITERS;
  readonly #pool: PostgresPool;
  readonly #claim: ProcessClaim;

  constructor(pool: PostgresPool) {
    this.#pool = outlivesConnections(pool);
    this.#claim = new ProcessClaim(pool);
  }

  run<T>(work: () => Work<T>): Promise<T> {
    return this.#twice(undefined, async (connection) => {
      try {
        return await drive(work(), (statement) => connection.run(statement));
      } finally {
        connection.release();
      }
    });
  }

  async read<T>(work: () => Work<T>, failure: (error: unknown) => unknown = (error) => error): Promise<T> {
    try {
      return await this.#twice(REQUEST_TIMEOUT_MS, async (connection) => {
        try {
          connection.beginRead();
          return await drive(work(), (statement) => connection.pipe(statement));
        } finally {
          // What was read is known already.
          connection.end();
        }
      });
    } catch (error) {
      throw failure(error);
    }
  }

  /**
   * The statements of parts that have no key in common are sent at the same time, so that a transaction takes as many round trips
   * as its longest part. The transaction waits for others, also of other processes, that have one of its keys.
   */
  write(parts: readonly WritePart[]): Promise<void> {
    const keys = parts.flatMap((part) => part.keys ?? []);
    const isDeclared = parts.every((part) => part.keys !== undefined);
    return this.#twice(REQUEST_TIMEOUT_MS, async (connection) => {
      try {
        connection.beginWrite(isDeclared ? keys : undefined);
        await runInOrder(parts, async ({ work }) => {
          await drive(work(), (statement) => connection.pipe(statement));
        });
        await connection.commit();
      } catch (error) {
        await connection.rollback();
        throw error;
      } finally {
        connection.release();
      }
    });
  }

  /** No thread can open it: reads use connections of the pool. */
  shared(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  async session(): Promise<ReadSession> {
    return await PostgresConnection.take(this.#pool);
  }

  async claim(mode: ClaimMode): Promise<void> {
    try {
      await this.#claim.hold(mode);
    } catch (error) {
      throw isCommError(error) ? error : new PostgresFailure(error, false);
    }
  }

  lead(): Promise<boolean> {
    return this.#claim.lead();
  }

  unclaim(): Promise<void> {
    return this.#claim.release();
  }

  /** Runs `attempt` with a connection, once more if it fails by a failure that can pass. */
  async #twice<T>(timeoutMs: number | undefined, attempt: (connection: PostgresConnection) => Promise<T>): Promise<T> {
    try {
      return await attempt(await PostgresConnection.take(this.#pool, timeoutMs));
    } catch (error) {
      if (!(error instanceof PostgresFailure) || !error.isTransient) throw error;
      return await attempt(await PostgresConnection.take(this.#pool, timeoutMs));
    }
  }
}
