import { systemClock, type Clock } from '../../lib/clock.ts';
import { errorFields, type Logger } from '../../lib/logger.ts';
import { databaseOf } from './engine/database-source.ts';
import { type Database } from './engine/database.ts';
import { ensureCommunicationTables } from './engine/migrate.ts';
import { OutageTracker } from './engine/outages.ts';
import { probeRead, clearProbe, probeWrite } from './queries/health-probe.ts';
import { POSTGRES_INDEX } from './search/postgres-index.ts';
import { indexStep, isIndexStale, mergeStep, type IndexWriter } from './search/search-index.ts';
import type { DatabaseSource } from './engine/database-source.ts';
import type { Work } from './engine/work.ts';
import { Checkpoints } from './engine/checkpoints.ts';
import { GroupCommit, type CommitTurns, type WriteOptions } from './engine/group-commit.ts';
import { LongReads, type LongRead, type LongReadOptions } from './engine/long-reads.ts';

/**
 * Access to durable data. During an outage of the database, such as a full disk, every operation rejects with
 * `UNAVAILABLE`.
 */
export interface Store {
  /** Resolves when the tables are ready; rejects if they can't be created. */
  readonly ready: Promise<void>;
  /** Runs `work` on one snapshot. */
  read<T>(work: () => Work<T>): Promise<T>;
  /** Runs a read that can take long, without holding up other work; see {@link LongReads}. */
  readLong<T>(work: LongRead<T>, options: LongReadOptions, otherwise?: LongRead<T>): Promise<T>;
  /** Runs `work` in a transaction and resolves after the commit; see {@link GroupCommit}. */
  write<T>(work: () => Work<T>, committed?: (value: T) => void, options?: WriteOptions): Promise<T>;
  /** Claims the database for this process, where only one may use it. Idempotent. */
  claim(): Promise<void>;
  /** Ends the claim, so that another process can start. */
  release(): Promise<void>;
  /** Rejects if the database doesn't respond or accepts no writes. */
  check(): Promise<void>;
  /** Resolves when the full-text index contains every message stored so far. */
  indexed(): Promise<void>;
  /** Stops background indexing and long reads, and resolves when no write is queued. For the shutdown. */
  drain(): Promise<void>;
}

/** Time in ms without a write after which the full-text index is updated, so that a burst of messages isn't delayed. */
const IDLE_MS = 500;
/** Number of writes after which the index is updated regardless, so that a search has little to wait for. */
const MAX_UNINDEXED_WRITES = 10_000;

/**
 * Creates the store of a database. Create one per database: it preserves the order of the commits' callbacks.
 *
 * @param turns - bounds what is stored and pushed in one turn of the event loop
 */
export function createStore(
  source: DatabaseSource,
  logger: Logger,
  clock: Clock = systemClock,
  turns?: CommitTurns,
): Store {
  return new SqlStore(source, logger, clock, turns);
}

class SqlStore implements Store {
  readonly ready: Promise<void>;
  readonly #database: Database;
  readonly #groupCommit: GroupCommit;
  readonly #longReads: LongReads;
  readonly #checkpoints: Checkpoints;
  readonly #outages: OutageTracker;
  readonly #index: IndexWriter | undefined;
  readonly #logger: Logger;
  readonly #clock: Clock;
  /** Writes since the index was last updated. */
  #unindexedWrites = 0;
  #cancelCatchUp: (() => void) | undefined;
  #draining = false;

  constructor(source: DatabaseSource, logger: Logger, clock: Clock, turns?: CommitTurns) {
    this.#database = databaseOf(source);
    this.#index = this.#database.dialect === 'postgres' ? POSTGRES_INDEX : undefined;
    this.#outages = new OutageTracker(logger, clock);
    this.#groupCommit = new GroupCommit(this.#database, logger, this.#outages, turns);
    this.#longReads = new LongReads(this.#database, clock, logger);
    this.#checkpoints = new Checkpoints(this.#database, logger);
    this.#logger = logger;
    this.#clock = clock;
    this.ready = ensureCommunicationTables(source);
    // Callers of `ready` receive the rejection; without a caller it must not become an unhandled rejection.
    this.ready.catch(() => undefined);
  }

  read<T>(work: () => Work<T>): Promise<T> {
    return this.#database.read(work, this.#outages.toUnavailable);
  }

  async readLong<T>(work: LongRead<T>, options: LongReadOptions, otherwise?: LongRead<T>): Promise<T> {
    try {
      return await this.#longReads.read(work, options, otherwise);
    } catch (error) {
      throw this.#outages.toUnavailable(error);
    }
  }

  write<T>(work: () => Work<T>, committed?: (value: T) => void, options?: WriteOptions): Promise<T> {
    const notify = (value: T): void => {
      this.#checkpoints.written();
      this.#written();
      committed?.(value);
    };
    return this.#groupCommit.write(work, notify, options);
  }

  async claim(): Promise<void> {
    await this.#database.claim?.();
  }

  async release(): Promise<void> {
    await this.#database.unclaim?.();
  }

  async check(): Promise<void> {
    await this.read(probeRead);
    if (!this.#outages.active) return;
    // A server that isn't ready receives no requests, so it must find out by itself whether writes succeed again.
    await this.#groupCommit.write(probeWrite);
    await this.#groupCommit.write(clearProbe);
    this.#outages.end();
  }

  async indexed(): Promise<void> {
    this.#unindexedWrites = 0;
    let behind = await this.read(isIndexStale);
    // In steps, so that other reads and writes run in between.
    while (behind && !this.#draining) behind = await this.#groupCommit.write(() => indexStep(undefined, this.#index));
  }

  async drain(): Promise<void> {
    this.#draining = true;
    this.#cancelCatchUp?.();
    await this.#longReads.close();
    await this.#groupCommit.drain();
    await this.#checkpoints.close();
  }

  async #indexAndMerge(): Promise<void> {
    await this.indexed();
    // Only while nothing else is written.
    let merging = this.#database.dialect === 'sqlite';
    while (merging && this.#unindexedWrites === 0 && !this.#draining) {
      merging = await this.#groupCommit.write(mergeStep);
    }
  }

  #written(): void {
    if (this.#draining) return;
    this.#unindexedWrites += 1;
    if (this.#unindexedWrites === MAX_UNINDEXED_WRITES) this.#catchUp();
    else if (this.#cancelCatchUp === undefined) this.#catchUpWhenIdle();
  }

  #catchUpWhenIdle(): void {
    const behind = this.#unindexedWrites;
    this.#cancelCatchUp = this.#clock.after(IDLE_MS, () => {
      this.#cancelCatchUp = undefined;
      if (this.#unindexedWrites === 0) return;
      if (this.#unindexedWrites === behind) this.#catchUp();
      else this.#catchUpWhenIdle();
    });
  }

  #catchUp(): void {
    // A search reports the failure. An app that has closed its database doesn't need a warning.
    this.#indexAndMerge().catch((error: unknown) =>
      this.#logger.debug('failed to update the full-text index', errorFields(error)),
    );
  }
}
