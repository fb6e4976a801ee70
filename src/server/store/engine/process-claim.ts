import { CommError } from '../../../protocol/errors.ts';
import type { PostgresClient, PostgresPool } from './postgres-pool.ts';

/** Key of the advisory lock that the process holds which uses a database. */
const CLAIM = 0x6c75_6d66;

/**
 * The claim of this process to a database, as an advisory lock on a connection of its own. Pushes reach the clients of one
 * process only, so a second one is refused.
 */
export class ProcessClaim {
  readonly #pool: PostgresPool;
  #holding: Promise<PostgresClient> | undefined;

  constructor(pool: PostgresPool) {
    this.#pool = pool;
  }

  /**
   * Claims the database, again if the connection was lost. Idempotent.
   *
   * @throws CommError `UNSUPPORTED` if another process has claimed it
   */
  async hold(): Promise<void> {
    this.#holding ??= this.#take();
    try {
      await this.#holding;
    } catch (error) {
      this.#holding = undefined;
      throw error;
    }
  }

  /** Ends the claim, so that the next process can start. Idempotent. */
  async release(): Promise<void> {
    const holding = this.#holding;
    this.#holding = undefined;
    const client = await holding?.catch(() => undefined);
    if (client === undefined) return;
    // With the connection the lock ends too.
    await client.query({ text: `SELECT pg_advisory_unlock(${CLAIM})` }).catch(() => undefined);
    client.release(true);
  }

  async #take(): Promise<PostgresClient> {
    const client = await this.#pool.connect();
    const lost = (): void => {
      if (this.#holding === undefined) return;
      this.#holding = undefined;
      client.release(true);
    };
    client.on('error', lost);
    try {
      const { rows } = await client.query({ text: `SELECT pg_try_advisory_lock(${CLAIM}) AS claimed` });
      if ((rows[0] as { claimed: boolean } | undefined)?.claimed === true) return client;
    } catch (error) {
      client.release(true);
      throw error;
    }
    client.release();
    throw new CommError('UNSUPPORTED', 'Another server process uses this database', {
      fix: 'Stop the other process, or give each process a database of its own: several processes on one database are not supported yet.',
    });
  }
}
