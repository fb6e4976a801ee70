/** Anything that a structured clone and JSON both carry unchanged. */
export type Storable =
  | null
  | boolean
  | number
  | string
  | readonly Storable[]
  | { readonly [key: string]: Storable | undefined };

/** What a step leaves behind: `undefined` deletes the key. */
export interface Step<T> {
  writes: ReadonlyMap<string, Storable | undefined>;
  result: T;
}

/**
 * Where a client keeps what must survive it: outbox, cursors, keys. Keys are `/`-separated paths of printable ASCII
 * that start with the user's id. Every failure is a `CommError` with the code `STORAGE`; a value that isn't `Storable` is a
 * `TypeError`.
 */
export interface CommStorage {
  /** What `key` holds, or `undefined`. */
  get(key: string): Promise<Storable | undefined>;
  /** Every entry whose key starts with `prefix`, in the order of their keys. */
  list(prefix: string): Promise<[key: string, value: Storable][]>;
  /**
   * Reads `keys`, runs `step` on what they hold and writes what it returns: all of it or nothing, and nobody else's
   * write comes between, not even another tab's. `step` is synchronous and may run in any order with steps on other
   * keys. Resolves once the writes are durable; a throw in `step` writes nothing and rejects with it.
   */
  transact<T>(keys: readonly string[], step: (values: ReadonlyMap<string, Storable>) => Step<T>): Promise<T>;
  /** The name under which other tabs see the same entries; absent where nobody else does. */
  readonly sharedAs?: string | undefined;
  /** Lets go of timers and handles once what was begun is done. What was written stays; the next use opens it again. */
  close(): Promise<void>;
}
