import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { deferred } from '../lib/deferred.ts';
import { loadSqlite } from '../lib/node-sqlite.ts';
import { CommError } from '../protocol/errors.ts';
import type { BlobStorage, CommStorage, Step, Storable } from './comm-storage.ts';
import { fileBlobs } from './file-blobs.ts';
import { fileError } from './file-errors.ts';
import { unstorable } from './unstorable.ts';

/** "lumC" in ASCII, stored in the header of the database file. */
const APPLICATION_ID = 0x6c_75_6d_43;
const SCHEMA_VERSION = 1;
/** How long a transaction waits for the lock of another process. Transactions of this class hold it for milliseconds. */
const BUSY_TIMEOUT_MS = 5_000;

/**
 * Stores a client's data in one SQLite database file, for Node 22.13 or newer. Several clients and processes on one machine
 * can use the same file: transactions exclude one another, and each read returns what is currently stored. The file must be
 * on a local disk, because SQLite's WAL mode doesn't work over network file systems.
 *
 * `transact` resolves after the data has been flushed to the disk (`synchronous = FULL`), so it survives `kill -9` and power
 * failures; transactions that wait at the same time share one flush. The flush blocks the event loop, typically for a few
 * milliseconds.
 *
 * The file is created with mode 0600 and missing directories with mode 0700. Next to it SQLite keeps `<path>-wal` and
 * `<path>-shm` while the file is open. The bytes of files that wait to be uploaded are in the directory `<path>-files`. The
 * database is opened by the first use, also by the first use after `close()`.
 *
 * @param path - path of the database file; relative paths are resolved against the current working directory
 * @throws TypeError if `path` is not a non-empty string
 * @throws CommError `UNSUPPORTED` if the runtime has no `node:sqlite`
 */
export function fileStorage(path: string): CommStorage {
  if (typeof path !== 'string' || path === '') throw new TypeError('fileStorage: path must be a non-empty string');
  const sqlite = loadSqlite();
  if (sqlite === undefined) {
    throw new CommError('UNSUPPORTED', 'fileStorage requires node:sqlite, which this runtime does not have', {
      fix: 'Use Node 22.13 or newer.',
    });
  }
  return new FileStorage(sqlite.DatabaseSync, resolve(path));
}

interface Job {
  /** Whether the job may write. */
  readonly writes: boolean;
  /** Runs the job and returns how to settle its promise once the transaction is committed. */
  readonly attempt: (database: OpenDatabase) => () => void;
  readonly reject: (error: CommError) => void;
}

class FileStorage implements CommStorage {
  readonly blobs: BlobStorage;
  readonly #Database: typeof DatabaseSync;
  readonly #path: string;
  #database: OpenDatabase | undefined;
  #queue: Job[] = [];

  constructor(Database: typeof DatabaseSync, path: string) {
    this.#Database = Database;
    this.#path = path;
    this.blobs = fileBlobs(`${path}-files`);
  }

  get(key: string): Promise<Storable | undefined> {
    return this.#enqueue(false, (database) => database.get(key));
  }

  list(prefix: string): Promise<[key: string, value: Storable][]> {
    return this.#enqueue(false, (database) => database.list(prefix));
  }

  transact<T>(keys: readonly string[], step: (values: ReadonlyMap<string, Storable>) => Step<T>): Promise<T> {
    return this.#enqueue(true, (database) => {
      const values = new Map<string, Storable>();
      for (const key of keys) {
        const value = database.get(key);
        if (value !== undefined) values.set(key, value);
      }
      const { writes, result } = step(values);
      // Encodes all values before the first write: a value that can't be stored must leave nothing written.
      const encoded = Array.from(writes, ([key, value]) => [key, encode(value)] as const);
      for (const [key, json] of encoded) database.put(key, json);
      return result;
    });
  }

  close(): Promise<void> {
    // Synchronous, so that work requested before is done and work requested afterwards opens the database again.
    this.#flush();
    try {
      this.#disconnect();
      return Promise.resolve();
    } catch (error) {
      return Promise.reject(fileError(error));
    }
  }

  #enqueue<T>(writes: boolean, run: (database: OpenDatabase) => T): Promise<T> {
    const { promise, resolve, reject } = deferred<T>();
    const attempt = (database: OpenDatabase): (() => void) => {
      try {
        const result = run(database);
        return () => resolve(result);
      } catch (error) {
        if (isSqliteError(error)) throw error;
        // Thrown by the caller's step or by encode(), before the job has written anything: it fails alone.
        return () => reject(error);
      }
    };
    this.#queue.push({ writes, attempt, reject });
    // Everything that is requested in this turn of the event loop shares one transaction.
    if (this.#queue.length === 1) setImmediate(() => this.#flush());
    return promise;
  }

  #flush(): void {
    const jobs = this.#queue;
    if (jobs.length === 0) return;
    this.#queue = [];
    try {
      const database = (this.#database ??= new OpenDatabase(this.#Database, this.#path));
      const settle = database.transaction(
        () => jobs.map(({ attempt }) => attempt(database)),
        jobs.some(({ writes }) => writes),
      );
      for (const each of settle) each();
    } catch (cause) {
      this.#abandon();
      const error = fileError(cause);
      for (const { reject } of jobs) reject(error);
    }
  }

  /** Closes the database after a failure, which rolls back an open transaction. The next use opens it again. */
  #abandon(): void {
    try {
      this.#disconnect();
    } catch {
      // The error that led here is the one to report.
    }
  }

  #disconnect(): void {
    const database = this.#database;
    this.#database = undefined;
    database?.close();
  }
}

/** One connection with its prepared statements. Methods throw the errors of `node:sqlite`. */
class OpenDatabase {
  readonly #database: DatabaseSync;
  readonly #get: StatementSync;
  readonly #list: StatementSync;
  readonly #put: StatementSync;
  readonly #delete: StatementSync;

  constructor(Database: typeof DatabaseSync, path: string) {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    // SQLite would create the file with the mode that umask allows; its -wal and -shm files inherit the file's mode.
    closeSync(openSync(path, 'a', 0o600));
    const database = new Database(path, { timeout: BUSY_TIMEOUT_MS });
    this.#database = database;
    try {
      prepare(database, path);
      this.#get = database.prepare('SELECT value FROM entries WHERE key = ?');
      this.#list = database.prepare('SELECT key, value FROM entries WHERE key >= ? AND key < ? ORDER BY key');
      this.#put = database.prepare('INSERT OR REPLACE INTO entries (key, value) VALUES (?, ?)');
      this.#delete = database.prepare('DELETE FROM entries WHERE key = ?');
    } catch (error) {
      database.close();
      throw error;
    }
  }

  get(key: string): Storable | undefined {
    const row = this.#get.get(key);
    return row === undefined ? undefined : decode(row['value']);
  }

  list(prefix: string): [key: string, value: Storable][] {
    // U+10FFFF sorts after every other character in UTF-8.
    const rows = this.#list.all(prefix, `${prefix}\u{10ffff}`);
    return rows.map((row) => [String(row['key']), decode(row['value'])]);
  }

  put(key: string, json: string | undefined): void {
    if (json === undefined) this.#delete.run(key);
    else this.#put.run(key, json);
  }

  /** Runs `work` in one transaction and commits it. If `work` or the commit throws, the transaction stays open. */
  transaction<T>(work: () => T, writes: boolean): T {
    this.#database.exec(writes ? 'BEGIN IMMEDIATE' : 'BEGIN');
    const result = work();
    this.#database.exec('COMMIT');
    return result;
  }

  close(): void {
    this.#database.close();
  }
}

/** Sets the connection's pragmas and creates the schema in a new file. */
function prepare(database: DatabaseSync, path: string): void {
  const pragma = (name: string): unknown => database.prepare(`PRAGMA ${name}`).get()?.[name];
  // Checked before the first write, so that a file of another application stays as it is.
  const isForeign = (): boolean =>
    pragma('application_id') !== APPLICATION_ID &&
    database.prepare('SELECT count(*) AS tables FROM sqlite_schema').get()?.['tables'] !== 0;
  if (isForeign()) throw foreignFile(path);
  database.exec('PRAGMA journal_mode = WAL');
  database.exec('PRAGMA synchronous = FULL');
  // Overwrites deleted content with zeros: deleted keys of encrypted sessions must not remain in the file.
  database.exec('PRAGMA secure_delete = ON');
  const version = pragma('user_version');
  if (version === SCHEMA_VERSION) return;
  if (version !== 0) {
    throw new CommError('STORAGE', `${path} was written by a newer version of lumen-comm`, {
      fix: 'Update lumen-comm, or pass the path of another file.',
    });
  }
  database.exec('BEGIN IMMEDIATE');
  // Another process may have created the schema, or another application its own, since the check.
  if (isForeign()) throw foreignFile(path);
  database.exec('CREATE TABLE IF NOT EXISTS entries (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT');
  database.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
  database.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`);
  database.exec('COMMIT');
}

function foreignFile(path: string): CommError {
  return new CommError('STORAGE', `${path} is a SQLite database of another application`, {
    fix: 'Pass the path of a new file, or of one that fileStorage created.',
  });
}

function isSqliteError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_SQLITE_ERROR';
}

function encode(value: Storable | undefined): string | undefined {
  if (value === undefined) return undefined;
  let cause: unknown;
  try {
    // Typed as string, but JSON.stringify returns undefined for a function, for example.
    const json = JSON.stringify(value) as string | undefined;
    if (json !== undefined) return json;
  } catch (error) {
    cause = error;
  }
  throw unstorable(cause);
}

function decode(json: unknown): Storable {
  return JSON.parse(String(json)) as Storable;
}
