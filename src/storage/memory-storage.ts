import type { CommStorage, Step, Storable } from './comm-storage.ts';
import { unstorable } from './unstorable.ts';

/** Deeper values, which may be cyclic, are copied by `structuredClone`. */
const MAX_DEPTH = 4;

/**
 * Stores a client's data in memory only, so it is lost when the page or the process ends. The default outside of browsers,
 * and the fallback of a client whose storage fails.
 */
export function memoryStorage(): CommStorage {
  return new MemoryStorage();
}

class MemoryStorage implements CommStorage {
  /** Memory can't fail: a client needs no fallback. See `ClientStorage`. */
  readonly hasFailed = false;
  readonly optional: CommStorage = this;
  readonly #entries = new Map<string, Storable>();

  get(key: string): Promise<Storable | undefined> {
    return Promise.resolve(copy(this.#entries.get(key)));
  }

  list(prefix: string): Promise<[key: string, value: Storable][]> {
    const keys = [...this.#entries.keys()].filter((key) => key.startsWith(prefix)).toSorted();
    return Promise.resolve(keys.map((key) => [key, copy(this.#entries.get(key)) as Storable]));
  }

  // async, so that a throwing step rejects the promise.
  async transact<T>(keys: readonly string[], step: (values: ReadonlyMap<string, Storable>) => Step<T>): Promise<T> {
    const values = new Map<string, Storable>();
    for (const key of keys) {
      const value = this.#entries.get(key);
      if (value !== undefined) values.set(key, copy(value));
    }
    const { writes, result } = step(values);
    // Copies all values before the first write: a value that can't be copied must leave nothing written.
    const copies = copyAll(writes);
    for (const [key, value] of copies) {
      if (value === undefined) this.#entries.delete(key);
      else this.#entries.set(key, value);
    }
    return result;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

function copy<T extends Storable | undefined>(value: T): T {
  return copyPart(value, 0) as T;
}

/** Equivalent to `structuredClone`, but much faster for the common case of strings and small plain objects. */
function copyPart(value: unknown, depth: number): unknown {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  if (value === null || value === undefined) return value;
  if (depth < MAX_DEPTH && Object.getPrototypeOf(value) === Object.prototype) {
    // Spreading defines `__proto__` as an ordinary key, which an assignment then finds.
    const copied: Record<string, unknown> = { ...value };
    for (const key of Object.keys(copied)) {
      const part = copied[key];
      if (typeof part !== 'string') copied[key] = copyPart(part, depth + 1);
    }
    return copied;
  }
  return structuredClone(value);
}

function copyAll(writes: ReadonlyMap<string, Storable | undefined>): [string, Storable | undefined][] {
  try {
    return Array.from(writes, ([key, value]) => [key, copy(value)]);
  } catch (cause) {
    throw unstorable(cause);
  }
}

/** Returns `true` if the storage is lost when the process ends. */
export function isVolatile(storage: CommStorage | undefined): storage is MemoryStorage {
  return storage instanceof MemoryStorage;
}
