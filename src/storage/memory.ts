import type { CommStorage, Step, Storable } from './comm-storage.ts';
import { unstorable } from './unstorable.ts';

/** Deeper than that, and around in circles, only `structuredClone` finds its way. */
const MAX_DEPTH = 4;

/**
 * Keeps everything in this object and nothing beyond it: the default outside of browsers, and what a client goes on with
 * when its storage fails. A reload or a restart forgets it.
 */
export function memoryStorage(): CommStorage {
  return new MemoryStorage();
}

class MemoryStorage implements CommStorage {
  readonly #entries = new Map<string, Storable>();

  get(key: string): Promise<Storable | undefined> {
    return Promise.resolve(copy(this.#entries.get(key)));
  }

  list(prefix: string): Promise<[key: string, value: Storable][]> {
    const keys = [...this.#entries.keys()].filter((key) => key.startsWith(prefix)).toSorted();
    return Promise.resolve(keys.map((key) => [key, copy(this.#entries.get(key)) as Storable]));
  }

  // Asynchronous like every other storage, so that a throwing step rejects instead of throwing.
  async transact<T>(keys: readonly string[], step: (values: ReadonlyMap<string, Storable>) => Step<T>): Promise<T> {
    const values = new Map<string, Storable>();
    for (const key of keys) {
      const value = this.#entries.get(key);
      if (value !== undefined) values.set(key, copy(value));
    }
    const { writes, result } = step(values);
    // All copies before the first write: one value that can't be copied must leave nothing written.
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

/** As `structuredClone` does it, many times faster for what is stored most: strings, and small objects of them. */
function copyPart(value: unknown, depth: number): unknown {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  if (value === null || value === undefined) return value;
  if (depth < MAX_DEPTH && Object.getPrototypeOf(value) === Object.prototype) {
    // Defines each key, also one that a plain assignment would take for the prototype.
    return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, copyPart(part, depth + 1)]));
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

/** True for what a process forgets by itself. */
export function isVolatile(storage: CommStorage | undefined): boolean {
  return storage instanceof MemoryStorage;
}
