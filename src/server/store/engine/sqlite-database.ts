import { loadSqlite } from '../../../lib/node-sqlite.ts';
import { betterSqliteFiles } from './better-sqlite.ts';
import type { Database, SharedDatabase, WritePart } from './database.ts';
import { createSqliteDriver, type SqliteDriver, type SqliteSource } from './sqlite.ts';
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

/**
 * One SQLite connection. Transactions never interleave: on a synchronous driver, a transaction runs from BEGIN to
 * COMMIT without a pause; on an asynchronous one, it waits for the end of the previous one.
 */
export class SqliteConnection implements Database {
  readonly dialect = 'sqlite';
  readonly writers = 1;
  readonly #driver: SqliteDriver;
  readonly #source: SqliteSource;
  #tail: Promise<unknown> = Promise.resolve();

  constructor(source: SqliteSource) {
    this.#driver = createSqliteDriver(source);
    this.#source = source;
  }

  run<T>(work: () => Work<T>): T | Promise<T> {
    const driver = this.#driver;
    if (driver.synchronous) return drive(work(), driver.execute);
    const result = this.#tail.then(() => drive(work(), driver.execute));
    this.#tail = result.catch(() => undefined);
    return result;
  }

  async write(parts: readonly WritePart[]): Promise<void> {
    const all = function* (): Work<void> {
      for (const { work } of parts) yield* work();
    };
    await this.run(() => transaction('write', all));
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

  async read<T>(work: () => Work<T>, failure: (error: unknown) => unknown = (error) => error): Promise<T> {
    try {
      return await this.run(() => transaction('read', work));
    } catch (error) {
      throw failure(error);
    }
  }
}
