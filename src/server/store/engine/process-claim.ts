import { CommError } from '../../../protocol/errors.ts';
import type { PostgresClient, PostgresPool } from './postgres-pool.ts';

/** Key of the advisory lock of the processes that use a database. */
const CLAIM = 0x6c75_6d66;
/** Key of the advisory lock of the process that leads the others. */
const LEADER = 0x6c75_6d67;

/**
 * Whether other processes may use the database too: processes that reach each other share the claim. Pushes of a process that
 * doesn't reach the others would never arrive at their clients, so it claims the database alone.
 */
export type ClaimMode = 'alone' | 'shared';

/** Fewest connections of a pool: one holds the claim, and the others serve requests. */
const MIN_CONNECTIONS = 2;

interface Holding {
  readonly client: PostgresClient;
  isLeader: boolean;
  /** Whether the connection is lost or given back. */
  isEnded: boolean;
}

const REFUSALS: Readonly<Record<ClaimMode, { message: string; fix: string }>> = {
  alone: {
    message: 'Another server process uses this database',
    fix:
      'Stop the other process, or connect all processes of this database to one Redis: with --redis redis://…, the option ' +
      '`redis` of createCommServer, or `bus` of an embedded server.',
  },
  shared: {
    message: 'A server process without Redis uses this database',
    fix: 'Stop the other process, and start it with the same --redis redis://… as this one.',
  },
};

/**
 * The claim of this process to a database, as an advisory lock on a connection of its own. The connection also holds the lock of
 * the leader, so that both end with the process.
 */
export class ProcessClaim {
  readonly #pool: PostgresPool;
  #holding: Promise<Holding> | undefined;
  #electing: Promise<boolean> | undefined;

  constructor(pool: PostgresPool) {
    this.#pool = pool;
  }

  /**
   * Claims the database, again if the connection was lost. Idempotent.
   *
   * @throws CommError `UNSUPPORTED` if another process has claimed it, or if the pool has no other connection than that of the
   *   claim
   */
  async hold(mode: ClaimMode): Promise<void> {
    if ((this.#pool.options?.max ?? MIN_CONNECTIONS) < MIN_CONNECTIONS) {
      throw new CommError('UNSUPPORTED', 'The pool has one connection, which the claim to the database takes', {
        fix: `Set \`max\` of the pool to ${MIN_CONNECTIONS} or more.`,
      });
    }
    this.#holding ??= this.#take(mode);
    const holding = this.#holding;
    try {
      await holding;
    } catch (error) {
      if (this.#holding === holding) this.#holding = undefined;
      throw error;
    }
  }

  /**
   * Returns whether this process leads those of the database, and makes it the leader if there is none. The leadership ends with
   * the claim. False without a claim.
   */
  async lead(): Promise<boolean> {
    const holding = await this.#holding?.catch(() => undefined);
    if (holding === undefined || holding.isLeader) return holding?.isLeader === true;
    this.#electing ??= elect(holding).finally(() => (this.#electing = undefined));
    return await this.#electing;
  }

  /** Ends the claim, so that the next process can start. Idempotent. */
  async release(): Promise<void> {
    const holding = this.#holding;
    this.#holding = undefined;
    const held = await holding?.catch(() => undefined);
    if (held === undefined || held.isEnded) return;
    held.isEnded = true;
    // With the connection the locks end too.
    await held.client.query({ text: 'SELECT pg_advisory_unlock_all()' }).catch(() => undefined);
    held.client.release(true);
  }

  async #take(mode: ClaimMode): Promise<Holding> {
    const client = await this.#pool.connect();
    const holding: Holding = { client, isLeader: false, isEnded: false };
    const lost = (): void => {
      if (!holding.isEnded) this.#holding = undefined;
      close(holding);
    };
    client.on('error', lost);
    try {
      const lock = mode === 'alone' ? 'pg_try_advisory_lock' : 'pg_try_advisory_lock_shared';
      if (await isGranted(client, `${lock}(${CLAIM})`)) return holding;
    } catch (error) {
      close(holding);
      throw error;
    }
    client.off('error', lost);
    client.release();
    const { message, fix } = REFUSALS[mode];
    throw new CommError('UNSUPPORTED', message, { fix });
  }
}

/** Closes the connection. Idempotent, because a query and the connection itself report the same loss. */
function close(holding: Holding): void {
  if (holding.isEnded) return;
  holding.isEnded = true;
  holding.client.release(true);
}

async function elect(holding: Holding): Promise<boolean> {
  holding.isLeader = await isGranted(holding.client, `pg_try_advisory_lock(${LEADER})`).catch(() => false);
  return holding.isLeader;
}

async function isGranted(client: PostgresClient, lock: string): Promise<boolean> {
  const { rows } = await client.query({ text: `SELECT ${lock} AS granted` });
  return (rows[0] as { granted: boolean } | undefined)?.granted === true;
}
