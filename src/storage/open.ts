import type { CommError } from '../protocol/errors.ts';
import type { CommStorage } from './comm-storage.ts';
import { indexedDbStorage } from './indexed-db.ts';
import { memoryStorage } from './memory.ts';
import { resilientStorage } from './resilient.ts';

/** The app's storage, or IndexedDB where there is one, or memory: in each case one that outlives its failure. */
export function openStorage(given: CommStorage | undefined, onFailure: (error: CommError) => void): CommStorage {
  const storage = given ?? (typeof indexedDB === 'undefined' ? memoryStorage() : indexedDbStorage());
  return resilientStorage(storage, onFailure);
}
