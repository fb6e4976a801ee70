import { CommError } from '../protocol/errors.ts';

const ORIGIN_DATA = 'Allow this site to store data (cookies and site data), or pass storage: memoryStorage().';

/** Explanations by the `name` of the `DOMException` (W3C Indexed Database API 3.0, section 3.7). */
const EXPLANATIONS: Readonly<Record<string, readonly [message: string, fix: string]>> = {
  QuotaExceededError: [
    'The storage quota of this origin is exceeded',
    'Delete data of this origin, or request more quota with navigator.storage.persist().',
  ],
  SecurityError: ['The browser blocks storage for this page', ORIGIN_DATA],
  InvalidStateError: ['The browser closed the database, or provides none in private browsing', ORIGIN_DATA],
  ReferenceError: [
    'IndexedDB is not available in this environment',
    'Pass storage: memoryStorage(), or in Node fileStorage(path) from lumen-comm/node.',
  ],
  NotFoundError: [
    'The database with this name was not created by indexedDbStorage',
    'Pass indexedDbStorage a name that no other code of this origin uses.',
  ],
  VersionError: ['The database was written by a newer version of this package', 'Reload the page to get that version.'],
  TimeoutError: [
    'Opening the database timed out: another tab blocks its deletion or upgrade',
    'Close the other tabs of this site, then reload.',
  ],
};

/** Converts an error of IndexedDB to a `CommError` with the code `STORAGE`, which says how to fix it. */
export function indexedDbError(cause: unknown): CommError {
  const name = cause instanceof Error || cause instanceof DOMException ? cause.name : '';
  const [message, fix] = EXPLANATIONS[name] ?? [
    'IndexedDB failed to read or write',
    'Reload the page. If the error persists, clear the data of this site.',
  ];
  return new CommError('STORAGE', message, { fix, cause });
}
