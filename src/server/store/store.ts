import { errorFields, type Logger } from '../../lib/logger.ts';
import { databaseOf } from './database.ts';
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
  const database = databaseOf(source);
  const ready = ensureCommunicationTables(source);
  // Whoever waits for it sees the failure; nobody waiting must not crash the process.
  ready.catch(() => undefined);
  const batch = new WriteBatch(database, logger);
  let writes = 0;
  let draining = false;
  const indexed = async (): Promise<void> => {
    writes = 0;
    if (!(await database.read(isBehind))) return;
    // Step by step: between two of them others read and write.
    while (!draining && (await batch.write(() => indexStep())));
  };
  const countWrite = (): void => {
    writes += 1;
    if (writes !== INDEX_AFTER_WRITES) return;
    indexed().catch((error: unknown) => logger.warn('The full-text index is behind', errorFields(error)));
  };
  return {
    ready,
    read: (work) => database.read(work),
    write: (work, committed) =>
      batch.write(work, (value) => {
        countWrite();
        committed?.(value);
      }),
    indexed,
    drain() {
      draining = true;
      return batch.drain();
    },
  };
}
