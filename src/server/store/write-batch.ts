import { isCommError, type CommError } from '../../protocol/errors.ts';
import { errorFields, type Logger } from '../../lib/logger.ts';
import type { Database } from './database.ts';
import { outageOf, type Outages } from './outages.ts';
import { transaction, type Work } from './work.ts';

/** One transaction takes at most this much, so that reading and answering go on between two of them. */
const MAX_ITEMS = 128;

interface Item {
  /** Does the work, and says whether it wrote. A refusal before anything was written is kept as this item's outcome. */
  readonly attempt: () => Work<boolean>;
  /** After the commit, in the order of the items. */
  readonly settle: () => void;
  readonly fail: (error: unknown) => void;
}

/**
 * Group commit: whatever was asked for since the last transaction goes into the next one, in the order it came. One
 * disk write then pays for many messages, and what follows a commit (pushes) happens in the order of the commits.
 *
 * An item that is refused (a `CommError` before its first write) leaves the others alone. Anything else undoes the
 * transaction, and its items are tried again one by one; where the database itself is out of order all of them are
 * `UNAVAILABLE`.
 */
export class WriteBatch {
  readonly #database: Database;
  readonly #logger: Logger;
  readonly #outages: Outages;
  readonly #queue: Item[] = [];
  #flushing: Promise<void> | undefined;

  constructor(database: Database, logger: Logger, outages: Outages) {
    this.#database = database;
    this.#outages = outages;
    this.#logger = logger;
  }

  /**
   * @param committed - called right after the commit, before the next transaction starts
   * @returns the work's value, once it is on disk
   */
  write<T>(work: () => Work<T>, committed: (value: T) => void = () => undefined): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      let outcome: { value: T } | { refusal: CommError } | undefined;
      this.#queue.push({
        *attempt() {
          outcome = undefined;
          const { wrote, ...done } = yield* refusable(work());
          outcome = done;
          return wrote;
        },
        settle: () => {
          if (outcome === undefined) reject(new Error('A committed write has no outcome'));
          else if ('refusal' in outcome) reject(outcome.refusal);
          else {
            this.#follow(committed, outcome.value);
            resolve(outcome.value);
          }
        },
        fail: reject,
      });
      this.#flushing ??= this.#flush();
    });
  }

  /** Resolves when nothing is waiting to be written. */
  async drain(): Promise<void> {
    while (this.#flushing !== undefined) await this.#flushing;
  }

  async #flush(): Promise<void> {
    while (this.#queue.length > 0) {
      // After the events that are ready now: what arrived together is written together, and one message waits for none.
      await new Promise<void>((resolve) => {
        setImmediate(resolve);
      });
      await this.#commit(this.#queue.splice(0, MAX_ITEMS));
    }
    this.#flushing = undefined;
  }

  async #commit(items: readonly Item[]): Promise<void> {
    let begun = false;
    let wrote = false;
    const work = function* (): Work<void> {
      begun = true;
      for (const item of items) if (yield* item.attempt()) wrote = true;
    };
    try {
      await this.#database.run(() => transaction('write', work));
    } catch (error) {
      // Another process holds the write lock for longer than we wait, or the app has a transaction open on the connection.
      if (!begun || outageOf(error) !== undefined) {
        const unavailable = this.#outages.begin(error);
        for (const item of items) item.fail(unavailable);
      } else if (items.length === 1) for (const item of items) item.fail(error);
      else {
        this.#logger.warn('A batch of writes failed and is tried one by one', errorFields(error));
        for (const item of items) await this.#commit([item]);
      }
      return;
    }
    if (wrote) this.#outages.wrote();
    for (const item of items) item.settle();
  }

  #follow<T>(committed: (value: T) => void, value: T): void {
    try {
      committed(value);
    } catch (error) {
      // It is stored, and will be told so; whoever missed the push finds it by its `rev`.
      this.#logger.error('What follows a write failed', errorFields(error));
    }
  }
}

/** Runs `work`; a `CommError` is a value as long as nothing was written, and thrown on after that. */
function* refusable<T>(work: Work<T>): Work<{ wrote: boolean } & ({ value: T } | { refusal: CommError })> {
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
    return { wrote, refusal: error };
  }
}
