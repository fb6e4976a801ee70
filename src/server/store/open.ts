import { CommError } from '../../protocol/errors.ts';
import type { PreparingDatabase } from './sqlite-port.ts';

/** A database of our own, to be closed by whoever opened it. */
export interface OwnDatabase extends PreparingDatabase {
  close(): void;
}

/**
 * Opens (or makes) a SQLite database with `node:sqlite`.
 *
 * @param path - a file, or `:memory:`
 * @throws CommError `UNSUPPORTED` where Node is too old to have it
 */
export function openDatabase(path: string): OwnDatabase {
  // Asked for only here: importing the server must work on a Node without it, for those who bring their own database.
  const sqlite = process.getBuiltinModule('node:sqlite') as typeof import('node:sqlite') | undefined;
  if (sqlite === undefined) {
    throw new CommError('UNSUPPORTED', 'This version of Node has no node:sqlite', {
      fix: 'Use Node 22.13 or newer, or pass a better-sqlite3 database as `db`.',
    });
  }
  const database = new sqlite.DatabaseSync(path);
  database.exec('PRAGMA busy_timeout = 5000');
  database.exec('PRAGMA journal_mode = WAL');
  // With WAL this can lose the last commits to a power cut, never to a crash of the process, and never its integrity.
  database.exec('PRAGMA synchronous = NORMAL');
  // Moving the log into the file waits for the disk: every 16 MB instead of every 4.
  database.exec('PRAGMA wal_autocheckpoint = 4000');
  return database;
}
