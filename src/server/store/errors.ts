import { CommError } from '../../protocol/errors.ts';

/** SQLite's result codes for "another connection holds the lock" (https://sqlite.org/rescode.html). */
const BUSY_CODES: ReadonlySet<unknown> = new Set([5, 6]);
const BUSY_NAMES = /^SQLITE_(?:BUSY|LOCKED)/;

/** `node:sqlite` gives `errcode`, better-sqlite3 `code`. */
export function isBusy(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if ('errcode' in error && typeof error.errcode === 'number') return BUSY_CODES.has(error.errcode & 0xff);
  return 'code' in error && typeof error.code === 'string' && BUSY_NAMES.test(error.code);
}

/** For a database that can't be written at the moment. */
export function unavailable(cause: unknown): CommError {
  return new CommError('UNAVAILABLE', 'The database is busy; try again', { retryAfterMs: 1_000, cause });
}
