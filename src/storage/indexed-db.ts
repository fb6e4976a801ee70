import { createStore, type UseStore } from 'idb-keyval';
import { systemClock, type Clock } from '../lib/clock.ts';
import type { CommStorage, Step, Storable } from './comm-storage.ts';
import { indexedDbError } from './indexed-db-errors.ts';
import { unstorable } from './unstorable.ts';

const STORE = 'entries';
/** An open request waits for as long as other tabs like; the client can't. */
const OPEN_TIMEOUT_MS = 10_000;

/** Where in the browser the data is. */
export interface IndexedDbStorageOptions {
  /** @defaultValue 'lumen-comm' */
  name?: string | undefined;
  /** For tests. */
  clock?: Clock | undefined;
}

/**
 * Keeps a client's data in the browser, over reloads and crashes of the tab, shared by all tabs and workers of the
 * origin: each `transact` is one `readwrite` transaction, and these exclude one another across tabs.
 *
 * "Durable" is what the browser's `complete` event says: handed to the operating system. Nothing is opened before the
 * first use, nor after `close()` until the next one, so constructing it where there is no IndexedDB (SSR) is safe.
 */
export function indexedDbStorage(options: IndexedDbStorageOptions = {}): CommStorage {
  return new IndexedDbStorage(options.name ?? 'lumen-comm', options.clock ?? systemClock);
}

/** The requests of one transaction. What it isn't done with is rejected when the transaction aborts. */
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
      // Keys are ASCII, so that this is past every key with the prefix.
      const range = IDBKeyRange.bound(prefix, `${prefix}\uffff`);
      const keys = store.getAllKeys(range);
      const values = store.getAll(range);
      values.onsuccess = () => done(keys.result.map((key, index) => [key as string, values.result[index] as Storable]));
    });
  }

  async transact<T>(keys: readonly string[], step: (values: ReadonlyMap<string, Storable>) => Step<T>): Promise<T> {
    // A throw of the caller's own step is no failure of the storage, so it travels as a result.
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
      let waiting = keys.length;
      if (waiting === 0) proceed();
      for (const key of keys) {
        const request = store.get(key);
        request.onsuccess = () => {
          const value = request.result as Storable | undefined;
          if (value !== undefined) values.set(key, value);
          if (--waiting === 0) proceed();
        };
      }
    });
    if ('thrown' in outcome) throw outcome.thrown;
    return outcome.result;
  }

  close(): Promise<void> {
    this.#forget();
    return Promise.resolve();
  }

  async #run<T>(mode: IDBTransactionMode, work: Work<T>): Promise<T> {
    try {
      // Looking at it may throw as well.
      if (typeof indexedDB === 'undefined') throw new ReferenceError('indexedDB is not defined');
      return await this.#transaction(mode, work);
    } catch (error) {
      this.#forget();
      // Safari closes connections on its own, and a closed one can't begin a transaction: a fresh one may.
      if (!(error instanceof DOMException && error.name === 'InvalidStateError')) throw indexedDbError(error);
    }
    return this.#transaction(mode, work).catch((error: unknown) => {
      this.#forget();
      throw indexedDbError(error);
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
        // Whoever asked has been told that it failed, so it must not happen any more.
        if (late) transaction.abort();
        else work(store, resolve);
        // Closing lets the transaction end first.
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
    // Another tab deletes or upgrades the database and can't until everybody has let go. The next use opens it anew.
    db.onversionchange = () => {
      db.close();
      if (this.#db === db) this.#forget();
    };
  }

  #forget(): void {
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
    // All that fails before it is tried is a value that can't be cloned.
    throw unstorable(cause);
  }
}

const ignore = (): void => undefined;
