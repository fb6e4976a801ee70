import { isCommError, type CommError } from '../../../protocol/errors.ts';
import { Histogram } from '../../../lib/histogram.ts';
import { errorFields, type Logger } from '../../../lib/logger.ts';
import { traced, type Tracer } from '../../../lib/tracing.ts';
import type { Database } from './database.ts';
import { outageCode, type OutageTracker } from './outages.ts';
import type { Work } from './work.ts';
import { WriteQueue, type QueuedWrite } from './write-queue.ts';

/** Bounds what is stored and pushed in one turn of the event loop. */
export interface CommitTurns {
  /** Counts rows that were stored in this turn. */
  stored(rows: number): void;
  /** Returns a promise for the next turn if this one has no room left. */
  pause(): Promise<void> | undefined;
}

/** What the writes of a process do, for its metrics. */
export interface CommitActivity {
  /** Writes that wait for their transaction. */
  readonly waiting: number;
  /** Transactions that run. */
  readonly running: number;
  /** Time in seconds of each transaction that was committed, from its begin to the end of its commit. */
  readonly seconds: Histogram;
  /** Transactions that failed. Rejections of single writes don't count. */
  readonly failed: number;
}

/** A message takes about 0.1 ms in SQLite, and four round trips in Postgres, whose statements end after 10 s. */
const COMMIT_BOUNDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Options of {@link GroupCommit}. */
export interface CommitOptions {
  /** Bounds what is stored and pushed in one turn of the event loop. */
  readonly turns?: CommitTurns | undefined;
  /** Returns what traces transactions. */
  readonly tracer?: (() => Tracer | undefined) | undefined;
}

/** Options of a write. */
export interface WriteOptions {
  /** Returns about how many rows the write stores. Called when its transaction begins. @defaultValue 1 */
  readonly rows?: (() => number) | undefined;
  /**
   * Returns what the write changes, as keys of `write-keys.ts`, or `undefined` if it may change everything. Writes
   * without a common key can run at the same time, in this process and in others. So a write with keys changes no rows that
   * belong to none of them, and depends on none that writes with other keys change. Called at most once, before the work.
   *
   * @defaultValue the write may change everything, and runs alone
   */
  readonly keys?: (() => readonly string[] | undefined) | undefined;
}

interface Item extends QueuedWrite {
  /** Runs the work and returns whether it wrote. A rejection before the first write is stored as the item's outcome. */
  readonly attempt: () => Work<boolean>;
  /** Called after the commit, in the order of the items. */
  readonly settle: () => void;
  readonly fail: (error: unknown) => void;
}

/**
 * Group commit: all writes that were queued since the last transaction are committed in the next one, in order. One
 * disk write serves many messages, and pushes follow the order of the commits. If the database has several writers, writes
 * with a common key keep their order, and the others don't wait for each other.
 *
 * An item that is rejected with a `CommError` before its first write doesn't affect the others. Any other failure rolls
 * the transaction back, and its items are retried one by one. In an outage of the database all items are rejected with
 * `UNAVAILABLE`.
 */
export class GroupCommit {
  readonly #database: Database;
  readonly #logger: Logger;
  readonly #outages: OutageTracker;
  readonly #options: CommitOptions;
  readonly #queue: WriteQueue<Item>;
  #isScheduled = false;
  readonly #drained: (() => void)[] = [];
  readonly #seconds = new Histogram(COMMIT_BOUNDS);
  #failed = 0;

  constructor(database: Database, logger: Logger, outages: OutageTracker, options: CommitOptions = {}) {
    this.#database = database;
    this.#outages = outages;
    this.#logger = logger;
    this.#options = options;
    this.#queue = new WriteQueue(database.writers);
  }

  /**
   * Queues work for the next transaction.
   *
   * @param committed - called right after the commit, before the next transaction begins
   * @returns the value of `work`, after the commit
   */
  write<T>(
    work: () => Work<T>,
    committed: (value: T) => void = () => undefined,
    { rows = () => 1, keys = () => undefined }: WriteOptions = {},
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      let outcome: { value: T } | { rejection: CommError } | undefined;
      this.#queue.push({
        rows,
        keys,
        *attempt() {
          outcome = undefined;
          const { wrote, ...done } = yield* catchRejection(work());
          outcome = done;
          return wrote;
        },
        settle: () => {
          if (outcome === undefined) reject(new Error('A committed write has no outcome'));
          else if ('rejection' in outcome) reject(outcome.rejection);
          else {
            this.#notifyCommitted(committed, outcome.value);
            resolve(outcome.value);
          }
        },
        fail: reject,
      });
      this.#schedule();
    });
  }

  get activity(): CommitActivity {
    return { waiting: this.#queue.waiting, running: this.#queue.running, seconds: this.#seconds, failed: this.#failed };
  }

  /** Resolves when no write is queued or runs. */
  async drain(): Promise<void> {
    while (!this.#queue.isEmpty) {
      await new Promise<void>((resolve) => this.#drained.push(resolve));
    }
  }

  /**
   * Begins the next transactions when the events that are ready now have run, so that what arrived together is committed together.
   * A single message isn't delayed.
   */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#dispatch();
    });
  }

  #dispatch(): void {
    for (let items = this.#queue.take(); items.length > 0; items = this.#queue.take()) void this.#run(items);
    if (this.#queue.isEmpty) for (const resolve of this.#drained.splice(0)) resolve();
  }

  async #run(items: readonly Item[]): Promise<void> {
    await this.#commit(items);
    this.#queue.ended(items);
    this.#schedule();
  }

  async #commit(items: readonly Item[]): Promise<void> {
    let begun = false;
    let wrote = false;
    const parts = items.map((item) => ({
      keys: this.#queue.keysOf(item),
      *work(): Work<void> {
        begun = true;
        if (yield* item.attempt()) wrote = true;
      },
    }));
    try {
      const begin = performance.now();
      // A transaction has writes of several requests, so it is part of none of their traces.
      await traced(
        this.#options.tracer?.(),
        'commit',
        { root: true, attributes: { 'lumen_comm.writes': items.length } },
        () => this.#database.write(parts),
      );
      this.#seconds.observe((performance.now() - begin) / 1_000);
    } catch (error) {
      this.#failed += 1;
      // Another process holds the write lock for longer than the busy timeout, or the app has an open transaction.
      if (!begun || outageCode(error) !== undefined) {
        const unavailable = this.#outages.record(error);
        for (const item of items) item.fail(unavailable);
      } else if (items.length === 1) for (const item of items) item.fail(error);
      else {
        this.#logger.warn('group commit failed; retrying its writes one by one', errorFields(error));
        for (const item of items) await this.#commit([item]);
      }
      return;
    }
    if (wrote) this.#outages.recordWrite();
    const { turns } = this.#options;
    turns?.stored(items.reduce((sum, { rows }) => sum + rows(), 0));
    for (const item of items) {
      // A full transaction takes milliseconds, and so does the push of an item to a large group. The next transaction
      // of these items' keys begins after the last callback.
      const paused = turns?.pause();
      if (paused !== undefined) await paused;
      item.settle();
    }
  }

  #notifyCommitted<T>(committed: (value: T) => void, value: T): void {
    try {
      committed(value);
    } catch (error) {
      // The write is committed and reported as such. A client that missed the push finds the change by its `rev`.
      this.#logger.error('a callback after a commit failed', errorFields(error));
    }
  }
}

/** Runs `work`. A `CommError` before the first write becomes a value; after it, it is thrown. */
function* catchRejection<T>(work: Work<T>): Work<{ wrote: boolean } & ({ value: T } | { rejection: CommError })> {
  let wrote = false;
  try {
    let step = work.next([]);
    while (step.done !== true) {
      wrote ||= step.value.writes;
      let rows: readonly unknown[];
      try {
        rows = yield step.value;
      } catch (error) {
        step = work.throw(error);
        continue;
      }
      step = work.next(rows);
    }
    return { wrote, value: step.value };
  } catch (error) {
    if (wrote || !isCommError(error)) throw error;
    return { wrote, rejection: error };
  }
}
