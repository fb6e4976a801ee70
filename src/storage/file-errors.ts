import { CommError, isCommError } from '../protocol/errors.ts';

const NO_ROOM = [
  'There is no room left on the disk',
  'Free some, or give fileStorage a directory on another disk.',
] as const;
const NO_RIGHT = [
  'The directory may not be written to',
  'Give this process the right to read and write it, or name another directory.',
] as const;
const EXPLANATIONS: Readonly<Record<string, readonly [message: string, fix: string]>> = {
  ENOSPC: NO_ROOM,
  EDQUOT: NO_ROOM,
  EFBIG: NO_ROOM,
  EACCES: NO_RIGHT,
  EPERM: NO_RIGHT,
  EROFS: NO_RIGHT,
  ENOTDIR: ['A part of the path is a file', 'Name a directory, or a path where one can be made.'],
  EEXIST: ['The path is a file', 'Name a directory, or a path where one can be made.'],
};

/** Every failure of the file system as the one error that the client knows. */
export function fileError(cause: unknown): CommError {
  if (isCommError(cause)) return cause;
  const code = cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : '';
  const [message, fix] = EXPLANATIONS[code] ?? [
    'The file system failed',
    'See the cause of this error; the data written before it is kept.',
  ];
  return new CommError('STORAGE', message, { fix, cause });
}
