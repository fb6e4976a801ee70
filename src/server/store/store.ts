import { systemClock, type Clock } from '../../lib/clock.ts';
import { errorFields, type Logger } from '../../lib/logger.ts';
import { databaseOf, type Database } from './database.ts';
import { ensureCommunicationTables } from './migrate.ts';
import { Outages } from './outages.ts';
import { ping, releaseRoom, takeRoom } from './ping.ts';
import { indexStep, isBehind } from './search-index.ts';
import type { DatabaseSource } from './sqlite-port.ts';
import type { Work } from './work.ts';
import { WriteBatch } from './write-batch.ts';

/**
 * The rows: everything durable goes through here. While the database is out of order (a full disk, say) whatever is asked
 * of it rejects with `UNAVAILABLE`.
 */
export interface Store {
  /** Resolves when the tables stand; rejects when they can't. */
  readonly ready: Promise<void>;
  /** Runs `work` on one snapshot. */
  read<T>(work: () => Work<T>): Promise<T>;
  /** Runs `work` in a transaction and resolves when it is committed; see {@link WriteBatch}. */
  write<T>(work: () => Work<T>, committed?: (value: T) => void): Promise<T>;
  /** Rejects where the database doesn't answer, and while it takes no writes. */
  check(): Promise<void>;
  /** Resolves when the full-text index has everything that is stored by now. */
  indexed(): Promise<void>;
  /** For the end: stops catching up ahead of time, and resolves when nothing is waiting to be written. */
  drain(): Promise<void>;
}

/** The full-text index catches up once nothing has been written for this long: a burst of messages goes first. */
const IDLE_MS = 500;
/** After this many writes it does so all the same, so that no search has much to wait for. */
const MAX_BEHIND = 10_000;

/** The store on `source`. Make one per database: it keeps the order in which commits are told. */
export function createStore(source: DatabaseSource, logger: Logger, clock: Clock = systemClock): Store {
  return new SqlStore(source, logger, clock);
}

class SqlStore implements Store {
  readonly ready: Promise<void>;
  readonly #database: Database;
  readonly #batch: WriteBatch;
  readonly #outages: Outages;
  readonly #logger: Logger;
  readonly #clock: Clock;
  /** Writes since the index last caught up. */
  #behind = 0;
  #cancelCatchUp: (() => void) | undefined;
  #draining = false;

  constructor(source: DatabaseSource, logger: Logger, clock: Clock) {
    this.#database = databaseOf(source);
    this.#outages = new Outages(logger, clock);
    this.#batch = new WriteBatch(this.#database, logger, this.#outages);
    this.#logger = logger;
    this.#clock = clock;
    this.ready = ensureCommunicationTables(source);
    // Whoever waits for it sees the failure; nobody waiting must not crash the process.
    this.ready.catch(() => undefined);
  }

  read<T>(work: () => Work<T>): Promise<T> {
    return this.#database.read(work, this.#outages.answer);
  }

  write<T>(work: () => Work<T>, committed?: (value: T) => void): Promise<T> {
    return this.#batch.write(work, (value) => {
      this.#written();
      committed?.(value);
    });
  }

  async check(): Promise<void> {
    await this.read(ping);
    if (!this.#outages.lasts) return;
    // Nobody sends anything to a server that isn't ready: it has to find out by itself.
    await this.#batch.write(takeRoom);
    await this.#batch.write(releaseRoom);
    this.#outages.over();
  }

  async indexed(): Promise<void> {
    this.#behind = 0;
    let behind = await this.read(isBehind);
    // Step by step: between two of them others read and write.
    while (behind && !this.#draining) behind = await this.#batch.write(() => indexStep());
  }

  drain(): Promise<void> {
    this.#draining = true;
    this.#cancelCatchUp?.();
    return this.#batch.drain();
  }

  #written(): void {
    if (this.#draining) return;
    this.#behind += 1;
    if (this.#behind === MAX_BEHIND) this.#catchUp();
    else if (this.#cancelCatchUp === undefined) this.#catchUpWhenIdle();
  }

  #catchUpWhenIdle(): void {
    const behind = this.#behind;
    this.#cancelCatchUp = this.#clock.after(IDLE_MS, () => {
      this.#cancelCatchUp = undefined;
      if (this.#behind === 0) return;
      if (this.#behind === behind) this.#catchUp();
      else this.#catchUpWhenIdle();
    });
  }

  #catchUp(): void {
    // Whoever searches sees what is wrong; an app that has closed its database needn't hear of it.
    this.indexed().catch((error: unknown) => this.#logger.debug('The full-text index is behind', errorFields(error)));
  }
}
