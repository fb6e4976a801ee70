import { CommError, isCommError } from '../protocol/errors.ts';

type Explanation = readonly [message: string, fix: string];

const DISK_FULL: Explanation = ['The disk is full', 'Free space, or pass fileStorage a path on another disk.'];
const NO_PERMISSION: Explanation = [
  'The process may not read and write the file or its directory',
  'Grant this process read and write permission, or pass another path.',
];
const NOT_A_FILE: Explanation = [
  'The path is not a file in a directory',
  'Pass the path of a file; fileStorage creates missing directories.',
];
const DAMAGED: Explanation = [
  'The file is damaged or not a SQLite database',
  'Restore the file from a backup, or move it away to start with an empty one.',
];

/** By the `code` of Node's file system errors. */
const FILE_SYSTEM_ERRORS: Readonly<Record<string, Explanation>> = {
  ENOSPC: DISK_FULL,
  EDQUOT: DISK_FULL,
  EACCES: NO_PERMISSION,
  EPERM: NO_PERMISSION,
  EROFS: NO_PERMISSION,
  EISDIR: NOT_A_FILE,
  ENOTDIR: NOT_A_FILE,
  EEXIST: NOT_A_FILE,
};

/** By the primary result code of SQLite (https://sqlite.org/rescode.html). */
const SQLITE_ERRORS: Readonly<Record<number, Explanation>> = {
  5: ['Another process held the lock of the file for too long', 'End that process if it hangs, or pass another path.'],
  8: NO_PERMISSION,
  11: DAMAGED,
  13: DISK_FULL,
  14: NO_PERMISSION,
  26: DAMAGED,
};

const UNKNOWN: Explanation = ['Reading or writing the file failed', 'See the cause of this error.'];

/** Converts an error of the file system or of SQLite to a `CommError` with the code `STORAGE`, which says how to fix it. */
export function fileError(cause: unknown): CommError {
  if (isCommError(cause)) return cause;
  const [message, fix] = explanationOf(cause) ?? UNKNOWN;
  return new CommError('STORAGE', message, { fix, cause });
}

function explanationOf(cause: unknown): Explanation | undefined {
  if (!(cause instanceof Error)) return undefined;
  // The primary result code is in the lowest byte of an extended one.
  if ('errcode' in cause && typeof cause.errcode === 'number') return SQLITE_ERRORS[cause.errcode & 0xff];
  return 'code' in cause && typeof cause.code === 'string' ? FILE_SYSTEM_ERRORS[cause.code] : undefined;
}
