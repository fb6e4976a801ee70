import { loadSqlite } from '../../../lib/node-sqlite.ts';
import { betterSqliteFiles, type BetterSqliteFiles } from './better-sqlite.ts';
import { connectionOf, createSqliteDriver, type DatabaseSource, type SqliteDriver } from './sqlite.ts';
import { all, drive, first, transaction, type Statement, type Work } from './work.ts';

const FILES: Statement<{ name: string; file: string }> = {
  sql: 'PRAGMA database_list',
  parameters: [],
  kind: 'rows',
  writes: false,
};
const JOURNAL_MODE: Statement<{ journal_mode: string }> = {
  sql: 'PRAGMA journal_mode',
  parameters: [],
  kind: 'rows',
  writes: false,
};

/** A database that a thread may open too. */
export interface SharedDatabase {
  /** Path of the file. */
  readonly path: string;
  /** The copy of better-sqlite3 that has opened it; `undefined` if `node:sqlite` has. */
  readonly betterSqlite: BetterSqliteFiles | undefined;
}

/**
 * One SQLite connection. Transactions never interleave: on a synchronous driver, a transaction runs from BEGIN to
 * COMMIT without a pause; on an asynchronous one, it waits for the end of the previous one.
 */
export class Database {
  readonly #driver: SqliteDriver;
  readonly #source: DatabaseSource;
  #tail: Promise<unknown> = Promise.resolve();

  constructor(source: DatabaseSource) {
    this.#driver = createSqliteDriver(source);
    this.#source = source;
  }

  /** Runs `work` without a transaction of its own. No other work runs in between. */
  run<T>(work: () => Work<T>): T | Promise<T> {
    const driver = this.#driver;
    if (driver.synchronous) return drive(work(), driver.execute);
    const result = this.#tail.then(() => drive(work(), driver.execute));
    this.#tail = result.catch(() => undefined);
    return result;
  }

  /**
   * Returns the database if a thread may open it too: a file in WAL mode, because a reader would lock writers out otherwise,
   * that `node:sqlite` or a copy of better-sqlite3 has opened which the thread can load; see {@link betterSqliteFiles}.
   */
  async shared(): Promise<SharedDatabase | undefined> {
    const sqlite = loadSqlite();
    const isNodeSqlite = sqlite !== undefined && this.#source instanceof sqlite.DatabaseSync;
    const betterSqlite = isNodeSqlite ? undefined : betterSqliteFiles(this.#source);
    if (!isNodeSqlite && betterSqlite === undefined) return undefined;
    const files = await this.run(() => all(FILES));
    const file = files.find(({ name }) => name === 'main')?.file ?? '';
    const mode = (await this.run(() => first(JOURNAL_MODE)))?.journal_mode;
    return mode === 'wal' && file !== '' ? { path: file, betterSqlite } : undefined;
  }

  /**
   * Runs `work` on one snapshot.
   *
   * @param failure - maps an error to the rejection
   */
  async read<T>(work: () => Work<T>, failure: (error: unknown) => unknown = (error) => error): Promise<T> {
    try {
      return await this.run(() => transaction('read', work));
    } catch (error) {
      throw failure(error);
    }
  }
}

const databases = new WeakMap<object, Database>();

/**
 * Returns the {@link Database} of a connection. There is one per connection, because transactions of two would
 * interleave.
 */
export function databaseOf(source: DatabaseSource): Database {
  const connection = connectionOf(source);
  let database = databases.get(connection);
  if (database === undefined) databases.set(connection, (database = new Database(connection)));
  return database;
}
