import { closeSync, openSync } from 'node:fs';
import { loadSqlite } from '../../../lib/node-sqlite.ts';
import { CommError } from '../../../protocol/errors.ts';
import type { SqliteDatabase } from './sqlite.ts';

/** A database that the server opened and must close. */
export interface OwnedDatabase extends SqliteDatabase {
  /** Closes the connection. */
  close(): void;
}

/**
 * Opens or creates a SQLite database with `node:sqlite`. A new file, and the files that SQLite creates next to it, can be
 * read by the user of the process only.
 *
 * @param path - path of the file, or `:memory:`
 * @throws CommError `UNSUPPORTED` if this version of Node has no `node:sqlite`, or one without FTS5, the index of the search
 */
export function openDatabase(path: string): OwnedDatabase {
  // Loaded on demand, so that apps that pass their own database can import the server on a Node without `node:sqlite`.
  const sqlite = loadSqlite();
  if (sqlite === undefined) throw unsupported('no node:sqlite');
  createPrivateFile(path);
  const database = new sqlite.DatabaseSync(path);
  const { fts5 } = database.prepare("SELECT sqlite_compileoption_used('ENABLE_FTS5') AS fts5").get() ?? {};
  if (fts5 !== 1) {
    database.close();
    throw unsupported('a node:sqlite without FTS5');
  }
  database.exec('PRAGMA busy_timeout = 5000');
  database.exec('PRAGMA journal_mode = WAL');
  // In WAL mode a power failure can lose the last commits; a crash of the process can't. Integrity is never affected.
  database.exec('PRAGMA synchronous = NORMAL');
  // A checkpoint waits for the disk, so a thread runs it (see `Checkpoints`). This one bounds the log to 64 MB.
  database.exec('PRAGMA wal_autocheckpoint = 16000');
  return database;
}

function unsupported(what: string): CommError {
  return new CommError('UNSUPPORTED', `This version of Node has ${what}`, {
    fix: 'Use Node 22.16 or newer, or pass a better-sqlite3 database as `db`.',
  });
}

/**
 * Creates the file if it doesn't exist. SQLite would create it with the permissions of the umask; it gives the WAL and
 * the shared memory the permissions of the database.
 */
function createPrivateFile(path: string): void {
  if (path === ':memory:' || path === '' || path.startsWith('file:')) return;
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch {
    // It exists, or SQLite reports why it can't be created.
  }
}
