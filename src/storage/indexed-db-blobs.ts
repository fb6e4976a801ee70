import type { BlobStorage } from './comm-storage.ts';

const STORE = 'files';

/**
 * Stores blobs in a database of IndexedDB. It is opened for each call, so that it can be deleted in between.
 *
 * @param name - name of the database
 */
export function indexedDbBlobs(name: string): BlobStorage {
  const run = async <T>(mode: IDBTransactionMode, work: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> => {
    const db = await open(name);
    try {
      const transaction = db.transaction(STORE, mode);
      const request = work(transaction.objectStore(STORE));
      await new Promise<void>((resolve, reject) => {
        transaction.oncomplete = () => resolve();
        transaction.onabort = () => reject(transaction.error ?? new DOMException('Aborted', 'AbortError'));
      });
      return request.result;
    } finally {
      db.close();
    }
  };
  return {
    async put(id, blob) {
      await run('readwrite', (store) => store.put(blob, id));
    },
    async get(id) {
      const found: unknown = await run('readonly', (store) => store.get(id) as IDBRequest<unknown>);
      return found instanceof Blob ? found : undefined;
    },
    async ids() {
      return (await run('readonly', (store) => store.getAllKeys())).filter((key) => typeof key === 'string');
    },
    async delete(id) {
      await run('readwrite', (store) => store.delete(id));
    },
  };
}

function open(name: string): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    request.onsuccess = () => resolve(request.result);
    request.addEventListener('error', () => reject(request.error ?? new DOMException('Not opened', 'UnknownError')));
    // Another tab deletes the database.
    request.onblocked = () => reject(new DOMException('Blocked', 'AbortError'));
  });
}
