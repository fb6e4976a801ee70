/** A value that both the structured clone algorithm and JSON preserve. */
export type Storable =
  | null
  | boolean
  | number
  | string
  | readonly Storable[]
  | { readonly [key: string]: Storable | undefined };

/** Stores the bytes of files under UUIDs. Rejects if the storage is full or does not work. */
export interface BlobStorage {
  /** Resolves when the bytes are durable. Replaces those that are stored under this id. */
  put(id: string, blob: Blob): Promise<void>;
  /** Returns the bytes, which need not be in memory; `undefined` if there are none. */
  get(id: string): Promise<Blob | undefined>;
  /** Returns the ids of all stored bytes. */
  ids(): Promise<readonly string[]>;
  /** Deletes the bytes. Idempotent. A `Blob` that `get()` has returned may become unreadable. */
  delete(id: string): Promise<void>;
}

/** The outcome of a step of {@link CommStorage.transact}. */
export interface Step<T> {
  /** The values to write by key; `undefined` deletes the key. */
  writes: ReadonlyMap<string, Storable | undefined>;
  /** What `transact` resolves with. */
  result: T;
}

/**
 * Key-value storage for a client's persistent state: outbox, cursors, encryption keys. Keys are `/`-separated paths of
 * printable ASCII that start with the user's id. Methods reject with a `CommError` of code `STORAGE` if the storage fails,
 * and with a `TypeError` for a value that isn't {@link Storable}.
 */
export interface CommStorage {
  /** Returns the value of `key`, or `undefined` if there is none. */
  get(key: string): Promise<Storable | undefined>;
  /** Returns all entries whose keys start with `prefix`, sorted by key. */
  list(prefix: string): Promise<[key: string, value: Storable][]>;
  /**
   * Atomically reads `keys`, passes their values to `step` and writes what `step` returns. No other write, also of another
   * tab or process, happens between the read and the write. `step` is synchronous, must have no side effects, and may run in
   * any order relative to steps on other keys. Resolves when the writes are durable. If `step` throws, nothing is written and
   * the promise rejects with what it threw.
   */
  transact<T>(keys: readonly string[], step: (values: ReadonlyMap<string, Storable>) => Step<T>): Promise<T>;
  /** Stores the bytes of files that wait to be uploaded; absent if this storage takes no files. */
  readonly blobs?: BlobStorage | undefined;
  /** Identifies the storage among the tabs of an origin that share its entries; absent if it isn't shared between tabs. */
  readonly sharedAs?: string | undefined;
  /** Waits for pending operations and releases timers and handles. The data stays; the next use opens the storage again. */
  close(): Promise<void>;
}
