import type { Clock } from '../lib/clock.ts';
import type { CommError } from '../protocol/errors.ts';
import type { CommStorage } from './comm-storage.ts';
import { indexedDbStorage } from './indexed-db.ts';
import { memoryStorage } from './memory.ts';
import { resilientStorage } from './resilient.ts';

/**
 * The app's storage, or IndexedDB in browsers, or memory: in each case one that outlives its failure. A page that isn't
 * given any IndexedDB is such a failure, and the app is told.
 */
export function openStorage(
  given: CommStorage | undefined,
  onFailure: (error: CommError) => void,
  clock: Clock,
): CommStorage {
  const storage = given ?? (isBrowser() ? indexedDbStorage() : memoryStorage());
  return resilientStorage(storage, onFailure, clock);
}

function isBrowser(): boolean {
  return typeof document !== 'undefined' || 'indexedDB' in globalThis;
}
