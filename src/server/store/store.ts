import { errorFields, type Logger } from '../../lib/logger.ts';
import { databaseOf, type Database } from './database.ts';
import { ensureCommunicationTables } from './migrate.ts';
import { indexStep, isBehind } from './search-index.ts';
import type { DatabaseSource } from './sqlite-port.ts';
import type { Work } from './work.ts';
import { WriteBatch } from './write-batch.ts';

/** The rows: everything durable goes through here. */
export interface Store {
  /** Resolves when the tables stand; rejects when they can't. */
  readonly ready: Promise<void>;
  /** Runs `work` on one snapshot. */
  read<T>(work: () => Work<T>): Promise<T>;
  /** Runs `work` in a transaction and resolves when it is committed; see {@link WriteBatch}. */
  write<T>(work: () => Work<T>, committed?: (value: T) => void): Promise<T>;
  /** Resolves when the full-text index has everything that is stored by now. */
  indexed(): Promise<void>;
  /** For the end: stops catching up ahead of time, and resolves when nothing is waiting to be written. */
  drain(): Promise<void>;
}

/** After this many writes the full-text index catches up by itself, so that no search has much to wait for. */
const INDEX_AFTER_WRITES = 2_000;

/** The store on `source`. Make one per database: it keeps the order in which commits are told. */
export function createStore(source: DatabaseSource, logger: Logger): Store {
  return new SqlStore(source, logger);
}

class SqlStore implements Store {
  readonly ready: Promise<void>;
  readonly #database: Database;
  readonly #batch: WriteBatch;
  readonly #logger: Logger;
  #writes = 0;
  #draining = false;

  constructor(source: DatabaseSource, logger: Logger) {
    this.#database = databaseOf(source);
    this.#batch = new WriteBatch(this.#database, logger);
    this.#logger = logger;
    this.ready = ensureCommunicationTables(source);
    // Whoever waits for it sees the failure; nobody waiting must not crash the process.
    this.ready.catch(() => undefined);
  }

  read<T>(work: () => Work<T>): Promise<T> {
    return this.#database.read(work);
  }

  write<T>(work: () => Work<T>, committed?: (value: T) => void): Promise<T> {
    return this.#batch.write(work, (value) => {
      this.#countWrite();
      committed?.(value);
    });
  }

  async indexed(): Promise<void> {
    this.#writes = 0;
    let behind = await this.#database.read(isBehind);
    // Step by step: between two of them others read and write.
    while (behind && !this.#draining) behind = await this.#batch.write(() => indexStep());
  }

  drain(): Promise<void> {
    this.#draining = true;
    return this.#batch.drain();
  }

  #countWrite(): void {
    this.#writes += 1;
    if (this.#writes !== INDEX_AFTER_WRITES) return;
    this.indexed().catch((error: unknown) => this.#logger.warn('The full-text index is behind', errorFields(error)));
  }
}
