import type { Clock } from '../lib/clock.ts';
import { CommError, isCommError } from '../protocol/errors.ts';
import type { CommStorage, Step, Storable } from './comm-storage.ts';
import { memoryStorage } from './memory-storage.ts';

/** The storage of a client. */
export interface ClientStorage extends CommStorage {
  /** True if the storage has failed and memory is used since: what is written is lost when the process ends. */
  readonly hasFailed: boolean;
  /** The storage for entries that the client can do without: it rejects when it fails, and does not cause the fallback. */
  readonly optional: CommStorage;
}

/** How long the primary storage may take for an operation. */
const TIMEOUT_MS = 10_000;

/**
 * Wraps a storage with a fallback to memory. If `primary` rejects with `STORAGE` (quota exceeded, blocked, deleted) or an
 * operation takes longer than 10 s, `onFailure` is called once and all further operations use memory. The memory starts with
 * the entries that `primary` can still list, else with those seen through this wrapper. The wrapper never switches back,
 * because `primary` would lack what was written since.
 *
 * The step that failed runs a second time, in memory, so steps must have no side effects. Errors thrown by a step, and all
 * other errors, are passed on and don't cause the fallback.
 */
export function resilientStorage(
  primary: CommStorage,
  onFailure: (error: CommError) => void,
  clock: Clock,
): ClientStorage {
  return new ResilientStorage(primary, onFailure, clock);
}

class ResilientStorage implements ClientStorage {
  readonly optional: CommStorage = {
    get: (key) => this.#attempt((storage) => storage.get(key)),
    list: (prefix) => this.#attempt((storage) => storage.list(prefix)),
    transact: (keys, step) => this.#attempt((storage) => storage.transact(keys, step)),
    close: () => Promise.resolve(),
  };
  readonly #primary: CommStorage;
  readonly #onFailure: (error: CommError) => void;
  readonly #clock: Clock;
  /** The last known entries of `primary`, used if it can't be listed after a failure. */
  readonly #seen = new Map<string, Storable>();
  readonly #running = new Set<Promise<unknown>>();
  #fallback: Promise<CommStorage> | undefined;

  constructor(primary: CommStorage, onFailure: (error: CommError) => void, clock: Clock) {
    this.#primary = primary;
    this.#onFailure = onFailure;
    this.#clock = clock;
  }

  /** `undefined` after a failure: memory is not shared. */
  get sharedAs(): string | undefined {
    return this.#fallback === undefined ? this.#primary.sharedAs : undefined;
  }

  get hasFailed(): boolean {
    return this.#fallback !== undefined;
  }

  get(key: string): Promise<Storable | undefined> {
    return this.#run(async (storage) => {
      const value = await storage.get(key);
      if (storage === this.#primary) this.#remember(key, value);
      return value;
    });
  }

  list(prefix: string): Promise<[key: string, value: Storable][]> {
    return this.#run(async (storage) => {
      const entries = await storage.list(prefix);
      if (storage === this.#primary) {
        for (const key of this.#seen.keys()) if (key.startsWith(prefix)) this.#seen.delete(key);
        for (const [key, value] of entries) this.#remember(key, value);
      }
      return entries;
    });
  }

  transact<T>(keys: readonly string[], step: (values: ReadonlyMap<string, Storable>) => Step<T>): Promise<T> {
    return this.#run(async (storage) => {
      let noted: ReadonlyMap<string, Storable | undefined> = new Map();
      const result = await storage.transact(keys, (values) => {
        const outcome = step(values);
        noted = new Map([...keys.map((key) => [key, values.get(key)] as const), ...outcome.writes]);
        return outcome;
      });
      if (storage === this.#primary) for (const [key, value] of noted) this.#remember(key, value);
      return result;
    });
  }

  async close(): Promise<void> {
    const fallback = await this.#fallback;
    await fallback?.close();
    // Closing a primary that has already failed may fail too; that failure has been reported.
    await this.#withTimeout(this.#primary.close()).catch((error: unknown) => {
      if (this.#fallback === undefined) throw error;
    });
  }

  async #attempt<T>(work: (storage: CommStorage) => Promise<T>): Promise<T> {
    if (this.#fallback !== undefined) throw new CommError('STORAGE', 'The storage has failed before');
    return this.#withTimeout(work(this.#primary));
  }

  async #run<T>(work: (storage: CommStorage) => Promise<T>): Promise<T> {
    if (this.#fallback !== undefined) return work(await this.#fallback);
    const attempt = this.#withTimeout(work(this.#primary));
    this.#running.add(attempt);
    try {
      return await attempt;
    } catch (error) {
      if (!isCommError(error) || error.code !== 'STORAGE') throw error;
      this.#running.delete(attempt);
      return await work(await this.#fallBack(error));
    } finally {
      this.#running.delete(attempt);
    }
  }

  #fallBack(error: CommError): Promise<CommStorage> {
    if (this.#fallback === undefined) {
      this.#fallback = this.#copyToMemory();
      this.#onFailure(error);
    }
    return this.#fallback;
  }

  async #copyToMemory(): Promise<CommStorage> {
    // Operations in progress may still succeed; their writes belong to the entries to copy.
    await Promise.allSettled(this.#running);
    const memory = memoryStorage();
    const entries = await this.#withTimeout(this.#primary.list('')).catch(() => [...this.#seen]);
    await memory.transact([], () => ({ writes: new Map(entries), result: undefined }));
    this.#seen.clear();
    return memory;
  }

  /** Rejects with `STORAGE` on a timeout. The operation isn't cancelled: a late write may be found in the next session. */
  #withTimeout<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      let cancel = (): void => undefined;
      const wait = (): void => {
        const since = this.#clock.now();
        cancel = this.#clock.after(TIMEOUT_MS, () => {
          // The page was frozen: restart the timeout, because the storage had no time to answer.
          if (this.#clock.now() - since > 2 * TIMEOUT_MS) wait();
          else reject(new CommError('STORAGE', `Storage operation timed out after ${TIMEOUT_MS / 1_000} s`));
        });
      };
      wait();
      work.then(resolve, reject).finally(() => cancel());
    });
  }

  #remember(key: string, value: Storable | undefined): void {
    if (value === undefined) this.#seen.delete(key);
    else this.#seen.set(key, value);
  }
}
