import type { Clock } from '../lib/clock.ts';
import type { CommError } from '../protocol/errors.ts';
import type { CommStorage } from './comm-storage.ts';
import { indexedDbStorage } from './indexed-db-storage.ts';
import { isVolatile, memoryStorage } from './memory-storage.ts';
import { type ClientStorage, resilientStorage } from './resilient-storage.ts';

/**
 * Returns the storage for a client: the app's own, else IndexedDB in browsers, else memory. If it fails, also because the
 * page has no IndexedDB, the client continues in memory.
 *
 * @param given - the storage that the app passed
 * @param onFailure - called once if the storage fails
 */
export function openStorage(
  given: CommStorage | undefined,
  onFailure: (error: CommError) => void,
  clock: Clock,
): ClientStorage {
  const storage = given ?? (isBrowser() ? indexedDbStorage() : memoryStorage());
  // Memory doesn't fail, and a copy of it would be one.
  return isVolatile(storage) ? storage : resilientStorage(storage, onFailure, clock);
}

function isBrowser(): boolean {
  return typeof document !== 'undefined' || 'indexedDB' in globalThis;
}
