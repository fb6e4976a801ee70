import { createStore, type UseStore } from 'idb-keyval';
import { systemClock, type Clock } from '../lib/clock.ts';
import { CommError } from '../protocol/errors.ts';
import type { CommStorage, Step, Storable } from './comm-storage.ts';
import { unstorable } from './unstorable.ts';

const STORE = 'entries';
/** Other tabs can block an open request indefinitely. */
const OPEN_TIMEOUT_MS = 10_000;

/** Options of {@link indexedDbStorage}. */
export interface IndexedDbStorageOptions {
  /** Name of the database. @defaultValue 'lumen-comm' */
  name?: string | undefined;
  /** Source of time for the timeout of opening. @defaultValue the system clock */
  clock?: Clock | undefined;
}

/**
 * Stores a client's data in IndexedDB, shared by all tabs and workers of the origin. Each `transact` is one `readwrite`
 * transaction; IndexedDB serializes these across tabs.
 *
 * `transact` resolves on the transaction's `complete` event: the data has been passed to the operating system, so it survives
 * reloads and crashes of the browser, but a power failure may lose the last transactions. The database is opened by the
 * first use, also by the first use after `close()`, so a storage can be constructed where IndexedDB is missing (SSR).
 */
export function indexedDbStorage(options: IndexedDbStorageOptions = {}): CommStorage {
  return new IndexedDbStorage(options.name ?? 'lumen-comm', options.clock ?? systemClock);
}

/** Issues the requests of one transaction and calls `done` with its result. */
type Work<T> = (store: IDBObjectStore, done: (result: T) => void) => void;

class IndexedDbStorage implements CommStorage {
  readonly sharedAs: string;
  readonly #name: string;
  readonly #clock: Clock;
  #useStore: UseStore | undefined;
  #db: IDBDatabase | undefined;

  constructor(name: string, clock: Clock) {
    this.sharedAs = name;
    this.#name = name;
    this.#clock = clock;
  }

  get(key: string): Promise<Storable | undefined> {
    return this.#run<Storable | undefined>('readonly', (store, done) => {
      const request = store.get(key);
      request.onsuccess = () => done(request.result as Storable | undefined);
    });
  }

  list(prefix: string): Promise<[key: string, value: Storable][]> {
    return this.#run<[string, Storable][]>('readonly', (store, done) => {
      // Keys are ASCII, so this upper bound is greater than every key with the prefix.
      const range = IDBKeyRange.bound(prefix, `${prefix}\uffff`);
      const keys = store.getAllKeys(range);
      const values = store.getAll(range);
      values.onsuccess = () => done(keys.result.map((key, index) => [key as string, values.result[index] as Storable]));
    });
  }

  async transact<T>(keys: readonly string[], step: (values: ReadonlyMap<string, Storable>) => Step<T>): Promise<T> {
    // An error thrown by the step is returned as a result, because it must not be converted to a STORAGE error.
    const outcome = await this.#run<{ result: T } | { thrown: unknown }>('readwrite', (store, done) => {
      const { transaction } = store;
      const values = new Map<string, Storable>();
      const proceed = (): void => {
        try {
          const { writes, result } = step(values);
          transaction.oncomplete = () => done({ result });
          write(store, writes);
        } catch (thrown) {
          done({ thrown });
          transaction.abort();
        }
      };
      let pending = keys.length;
      if (pending === 0) proceed();
      for (const key of keys) {
        const request = store.get(key);
        request.onsuccess = () => {
          const value = request.result as Storable | undefined;
          if (value !== undefined) values.set(key, value);
          if (--pending === 0) proceed();
        };
      }
    });
    if ('thrown' in outcome) throw outcome.thrown;
    return outcome.result;
  }

  close(): Promise<void> {
    this.#disconnect();
    return Promise.resolve();
  }

  async #run<T>(mode: IDBTransactionMode, work: Work<T>): Promise<T> {
    try {
      // The getter of indexedDB may throw too.
      if (typeof indexedDB === 'undefined') throw new ReferenceError('indexedDB is not defined');
      return await this.#transaction(mode, work);
    } catch (error) {
      this.#disconnect();
      // Safari may close a connection, which makes new transactions fail: retry with a new connection.
      if (!(error instanceof DOMException && error.name === 'InvalidStateError')) throw await storageError(error);
    }
    return this.#transaction(mode, work).catch(async (error: unknown) => {
      this.#disconnect();
      throw await storageError(error);
    });
  }

  #transaction<T>(mode: IDBTransactionMode, work: Work<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      let late = false;
      const opened =
        this.#db === undefined
          ? this.#clock.after(OPEN_TIMEOUT_MS, () => {
              late = true;
              reject(new DOMException('Opening timed out', 'TimeoutError'));
            })
          : ignore;
      const useStore = (this.#useStore ??= createStore(this.#name, STORE));
      useStore(mode, (store) => {
        opened();
        const { transaction } = store;
        transaction.addEventListener('abort', () =>
          reject(transaction.error ?? new DOMException('Aborted', 'AbortError')),
        );
        // The caller has already been told that the operation failed.
        if (late) transaction.abort();
        else work(store, resolve);
        // close() waits for running transactions.
        if (this.#useStore === useStore) this.#watch(transaction.db);
        else transaction.db.close();
      }).catch((error: unknown) => {
        opened();
        reject(error instanceof Error ? error : new Error(String(error)));
      });
    });
  }

  #watch(db: IDBDatabase): void {
    if (this.#db === db) return;
    this.#db = db;
    // Another tab deletes or upgrades the database, which requires that all connections are closed. The next use reopens it.
    db.onversionchange = () => {
      db.close();
      if (this.#db === db) this.#disconnect();
    };
  }

  #disconnect(): void {
    this.#db?.close();
    this.#db = undefined;
    this.#useStore = undefined;
  }
}

function write(store: IDBObjectStore, writes: ReadonlyMap<string, Storable | undefined>): void {
  for (const [key, value] of writes) {
    if (value === undefined) store.delete(key);
    else putValue(store, key, value);
  }
}

function putValue(store: IDBObjectStore, key: string, value: Storable): void {
  try {
    store.put(value, key);
  } catch (cause) {
    // IDBObjectStore.put throws synchronously only for a value that can't be cloned.
    throw unstorable(cause);
  }
}

/** Explains an error of IndexedDB. The explanations load with the first error. */
async function storageError(cause: unknown): Promise<CommError> {
  try {
    const { indexedDbError } = await import('./indexed-db-errors.ts');
    return indexedDbError(cause);
  } catch {
    // Without a network they may not load.
    return new CommError('STORAGE', 'IndexedDB failed to read or write', { cause });
  }
}

const ignore = (): void => undefined;
