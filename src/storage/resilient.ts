import type { Clock } from '../lib/clock.ts';
import { CommError, isCommError } from '../protocol/errors.ts';
import type { CommStorage, Step, Storable } from './comm-storage.ts';
import { memoryStorage } from './memory.ts';

/** Longer than any disk takes, shorter than anybody waits. */
const TIMEOUT_MS = 10_000;

/**
 * A storage that outlives the failure of another. As long as `primary` works, everything goes there. When it fails with
 * `STORAGE` (no room left, blocked, gone), or doesn't answer for ten seconds, `onFailure` hears of it once, and from then on everything happens in memory,
 * starting from what `primary` can still tell, or else from what was seen through this wrapper. It never goes back:
 * what was written in memory would be missing there.
 *
 * The step that met the failure runs a second time, in memory, so steps must have no effects of their own. Errors that a
 * step throws, and every other kind of error, pass through and change nothing.
 */
export function resilientStorage(
  primary: CommStorage,
  onFailure: (error: CommError) => void,
  clock: Clock,
): CommStorage {
  return new ResilientStorage(primary, onFailure, clock);
}

class ResilientStorage implements CommStorage {
  readonly #primary: CommStorage;
  readonly #onFailure: (error: CommError) => void;
  readonly #clock: Clock;
  /** What `primary` is known to hold, for the case that it can't be asked any more. */
  readonly #seen = new Map<string, Storable>();
  readonly #running = new Set<Promise<unknown>>();
  #fallback: Promise<CommStorage> | undefined;

  constructor(primary: CommStorage, onFailure: (error: CommError) => void, clock: Clock) {
    this.#primary = primary;
    this.#onFailure = onFailure;
    this.#clock = clock;
  }

  /** Once it has failed there is nothing to share any more. */
  get sharedAs(): string | undefined {
    return this.#fallback === undefined ? this.#primary.sharedAs : undefined;
  }

  get(key: string): Promise<Storable | undefined> {
    return this.#run(async (storage) => {
      const value = await storage.get(key);
      if (storage === this.#primary) this.#note(key, value);
      return value;
    });
  }

  list(prefix: string): Promise<[key: string, value: Storable][]> {
    return this.#run(async (storage) => {
      const entries = await storage.list(prefix);
      if (storage === this.#primary) {
        for (const key of this.#seen.keys()) if (key.startsWith(prefix)) this.#seen.delete(key);
        for (const [key, value] of entries) this.#note(key, value);
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
      if (storage === this.#primary) for (const [key, value] of noted) this.#note(key, value);
      return result;
    });
  }

  async close(): Promise<void> {
    const fallback = await this.#fallback;
    await fallback?.close();
    // A primary that has failed may fail to close as well, which is no news.
    await this.#inTime(this.#primary.close()).catch((error: unknown) => {
      if (this.#fallback === undefined) throw error;
    });
  }

  async #run<T>(work: (storage: CommStorage) => Promise<T>): Promise<T> {
    if (this.#fallback !== undefined) return work(await this.#fallback);
    const attempt = this.#inTime(work(this.#primary));
    this.#running.add(attempt);
    try {
      return await attempt;
    } catch (error) {
      if (!isCommError(error) || error.code !== 'STORAGE') throw error;
      this.#running.delete(attempt);
      return await work(await this.#giveUp(error));
    } finally {
      this.#running.delete(attempt);
    }
  }

  #giveUp(error: CommError): Promise<CommStorage> {
    if (this.#fallback === undefined) {
      this.#fallback = this.#carryOver();
      this.#onFailure(error);
    }
    return this.#fallback;
  }

  async #carryOver(): Promise<CommStorage> {
    // What is still under way may yet succeed there, and then belongs to what is carried over.
    await Promise.allSettled(this.#running);
    const memory = memoryStorage();
    const entries = await this.#inTime(this.#primary.list('')).catch(() => [...this.#seen]);
    await memory.transact([], () => ({ writes: new Map(entries), result: undefined }));
    this.#seen.clear();
    return memory;
  }

  /** What comes later is of no use to anybody here; a write may still be there in the next session. */
  #inTime<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      let cancel = (): void => undefined;
      const wait = (): void => {
        const since = this.#clock.now();
        cancel = this.#clock.after(TIMEOUT_MS, () => {
          // A page that was frozen meanwhile has given its storage no time to answer.
          if (this.#clock.now() - since > 2 * TIMEOUT_MS) wait();
          else reject(new CommError('STORAGE', 'The storage does not answer'));
        });
      };
      wait();
      work.then(resolve, reject).finally(() => cancel());
    });
  }

  #note(key: string, value: Storable | undefined): void {
    if (value === undefined) this.#seen.delete(key);
    else this.#seen.set(key, value);
  }
}
