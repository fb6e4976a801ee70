import { errorFields, type Logger } from '../../../lib/logger.ts';
import type { Database } from './database.ts';
import { DatabaseThread } from './database-thread.ts';
import { first, type Statement } from './work.ts';

/**
 * Writes between two checkpoints. A single message writes about ten pages of the log. After a checkpoint of the whole log,
 * the next write starts it again and waits for the disk once, so checkpoints should be rare.
 */
const WRITES = 400;
/** Checkpoints run here only if SQLite's own run after at least this number of pages: the app chose a smaller number. */
const MIN_AUTOMATIC_PAGES = 2 * 10 * WRITES;

/**
 * A checkpoint of the mode PASSIVE waits for no reader or writer, and other connections can write meanwhile. As every
 * checkpoint it syncs the log before it writes the database.
 */
const CHECKPOINT: Statement<{ busy: number; log: number; checkpointed: number }> = {
  sql: 'PRAGMA wal_checkpoint(PASSIVE)',
  parameters: [],
  kind: 'rows',
  writes: false,
};

const AUTOMATIC: Statement<{ wal_autocheckpoint: number }> = {
  sql: 'PRAGMA wal_autocheckpoint',
  parameters: [],
  kind: 'rows',
  writes: false,
};

/**
 * Copies the write-ahead log into the database in a thread, so that the commits of the event loop don't. SQLite's own
 * checkpoints stay enabled and bound the log: they come where writes leave the thread no time to copy all of it, and
 * where it isn't available. A database that the app has opened keeps its own setting.
 */
export class Checkpoints {
  readonly #database: Database;
  readonly #logger: Logger;
  #writes = 0;
  #running: Promise<void> | undefined;
  #thread: DatabaseThread | undefined;
  #isAvailable = true;

  constructor(database: Database, logger: Logger) {
    this.#database = database;
    this.#logger = logger;
  }

  /** Counts a committed write. */
  written(): void {
    this.#writes += 1;
    if (this.#writes < WRITES || !this.#isAvailable || this.#running !== undefined) return;
    this.#writes = 0;
    this.#running = this.#run().finally(() => (this.#running = undefined));
  }

  /** Resolves when no checkpoint runs. */
  async settled(): Promise<void> {
    await this.#running;
  }

  /** Ends the thread. Later writes are left to SQLite's own checkpoints. */
  async close(): Promise<void> {
    this.#isAvailable = false;
    await this.#running;
    await this.#thread?.stop();
    this.#thread = undefined;
  }

  async #run(): Promise<void> {
    try {
      this.#thread ??= await this.#start();
      if (this.#thread === undefined) this.#isAvailable = false;
      else await this.#thread.execute(CHECKPOINT, false);
    } catch (error) {
      this.#isAvailable = false;
      this.#logger.debug('checkpoints are left to SQLite', errorFields(error));
    }
  }

  async #start(): Promise<DatabaseThread | undefined> {
    const shared = await this.#database.shared();
    if (shared === undefined) return undefined;
    const automatic = (await this.#database.run(() => first(AUTOMATIC)))?.wal_autocheckpoint ?? 0;
    if (automatic < MIN_AUTOMATIC_PAGES) return undefined;
    return await DatabaseThread.start(shared, { readOnly: false });
  }
}
