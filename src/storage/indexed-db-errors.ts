import { CommError } from '../protocol/errors.ts';

const ORIGIN_DATA = 'Allow this site to store data (cookies and site data), or pass storage: memoryStorage().';

/** What to say for the names of `DOMException`s that IndexedDB fails with (W3C IndexedDB 3.0, section 3.7). */
const EXPLANATIONS: Readonly<Record<string, readonly [message: string, fix: string]>> = {
  QuotaExceededError: [
    'The browser has no room left for this site',
    'Free some of the storage of this origin, or ask the user for more by navigator.storage.persist().',
  ],
  SecurityError: ['The browser blocks storage for this page', ORIGIN_DATA],
  InvalidStateError: ['The browser has closed its database, or keeps none in this private window', ORIGIN_DATA],
  ReferenceError: [
    'There is no IndexedDB in this environment',
    'Pass storage: memoryStorage(), or in Node fileStorage(dir) of lumen-comm/node.',
  ],
  NotFoundError: [
    'The database of this name is not one of ours',
    'Give indexedDbStorage a name that no other code of this origin uses.',
  ],
  VersionError: ['The database was written by a newer version of this package', 'Reload the page to get that version.'],
  TimeoutError: [
    'The database did not open in time: another tab is holding it in the middle of a deletion or an upgrade',
    'Close the other tabs of this site, then reload.',
  ],
};

/** Every failure of IndexedDB as the one error that the client knows. */
export function indexedDbError(cause: unknown): CommError {
  const name = cause instanceof Error || cause instanceof DOMException ? cause.name : '';
  const [message, fix] = EXPLANATIONS[name] ?? [
    'The browser failed to store or to read data',
    'Reload the page; if it stays so, clear the data of this site.',
  ];
  return new CommError('STORAGE', message, { fix, cause });
}
