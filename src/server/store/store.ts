import type { Logger } from '../../lib/logger.ts';
import { databaseOf } from './database.ts';
import { ensureCommunicationTables } from './migrate.ts';
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
  /** Resolves when nothing is waiting to be written. */
  drain(): Promise<void>;
}

/** The store on `source`. Make one per database: it keeps the order in which commits are told. */
export function createStore(source: DatabaseSource, logger: Logger): Store {
  const database = databaseOf(source);
  const ready = ensureCommunicationTables(source);
  // Whoever waits for it sees the failure; nobody waiting must not crash the process.
  ready.catch(() => undefined);
  const batch = new WriteBatch(database, logger);
  return {
    ready,
    read: (work) => database.read(work),
    write: (work, committed) => batch.write(work, committed),
    drain: () => batch.drain(),
  };
}
