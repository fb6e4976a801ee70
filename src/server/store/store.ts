import { systemClock, type Clock } from '../../lib/clock.ts';
import { errorFields, type Logger } from '../../lib/logger.ts';
import { databaseOf } from './engine/database-source.ts';
import { type Database } from './engine/database.ts';
import { ensureCommunicationTables } from './engine/migrate.ts';
import type { ClaimMode } from './engine/process-claim.ts';
import { OutageTracker } from './engine/outages.ts';
import { probeRead, clearProbe, probeWrite } from './queries/health-probe.ts';
import { POSTGRES_INDEX } from './search/postgres-index.ts';
import { indexStep, isIndexStale, mergeStep, type IndexWriter } from './search/search-index.ts';
import type { DatabaseSource } from './engine/database-source.ts';
import type { Work } from './engine/work.ts';
import { Checkpoints } from './engine/checkpoints.ts';
import { GroupCommit, type CommitActivity, type CommitOptions, type WriteOptions } from './engine/group-commit.ts';
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
  /** What its writes do, for metrics. */
  readonly commits: CommitActivity;
  /** Claims the database for this process, or for it and others that reach it. Idempotent. */
  claim(mode: ClaimMode): Promise<void>;
  /**
   * Returns whether this process does what one process has to do for all: it leads the processes of this database, or is the only
   * one. After the end of the leader, the next process that asks leads.
   */
  lead(): Promise<boolean>;
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
 * @param options - of the transactions that write
 */
export function createStore(
  source: DatabaseSource,
  logger: Logger,
  clock: Clock = systemClock,
  options: CommitOptions = {},
): Store {
  return new SqlStore(source, logger, clock, options);
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

  constructor(source: DatabaseSource, logger: Logger, clock: Clock, options: CommitOptions) {
    this.#database = databaseOf(source);
    this.#index = this.#database.dialect === 'postgres' ? POSTGRES_INDEX : undefined;
    this.#outages = new OutageTracker(logger, clock);
    this.#groupCommit = new GroupCommit(this.#database, logger, this.#outages, options);
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

  get commits(): CommitActivity {
    return this.#groupCommit.activity;
  }

  async claim(mode: ClaimMode): Promise<void> {
    await this.#database.claim?.(mode);
  }

  async lead(): Promise<boolean> {
    return (await this.#database.lead?.()) ?? true;
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
