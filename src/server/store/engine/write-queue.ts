/**
 * Rows per transaction, so that reads and replies run between two transactions: a row takes about 50 µs. An item with more
 * is committed alone.
 */
const MAX_ROWS = 64;
/** Keys per transaction: each is a lock in Postgres, whose number is bounded. An item with more declares nothing. */
const MAX_KEYS = 64;
/** Items that are considered for the next transaction. */
const MAX_CONSIDERED = 1_024;

/** A write that waits for its transaction. */
export interface QueuedWrite {
  /** About how many rows it stores. */
  readonly rows: () => number;
  /** What it changes; `undefined` if it may change everything. */
  readonly keys: () => readonly string[] | undefined;
}

/**
 * The writes of the next transactions. Writes with a common key, and those that declare none, keep their order. With several
 * writers, others don't wait for each other.
 */
export class WriteQueue<Item extends QueuedWrite> {
  readonly #writers: number;
  #waiting: Item[] = [];
  /** The transactions that run, each with the keys of its items; `undefined` if it runs alone. */
  readonly #running = new Map<readonly Item[], ReadonlySet<string> | undefined>();
  readonly #keys = new WeakMap<Item, { readonly of: readonly string[] | undefined }>();

  /** @param writers - number of transactions that can run at the same time */
  constructor(writers: number) {
    this.#writers = writers;
  }

  /** Whether no item waits and no transaction runs. */
  get isEmpty(): boolean {
    return this.#waiting.length === 0 && this.#running.size === 0;
  }

  /** Number of items that wait for their transaction. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Number of transactions that run. */
  get running(): number {
    return this.#running.size;
  }

  push(item: Item): void {
    this.#waiting.push(item);
  }

  /** Returns what an item changes. Asks it once, and not at all if transactions run one after the other. */
  keysOf(item: Item): readonly string[] | undefined {
    if (this.#writers === 1) return undefined;
    let known = this.#keys.get(item);
    if (known === undefined) {
      const keys = item.keys();
      known = { of: keys !== undefined && keys.length > MAX_KEYS ? undefined : keys };
      this.#keys.set(item, known);
    }
    return known.of;
  }

  /** Takes the items of the next transaction, which runs until {@link ended}. None if all have to wait. */
  take(): readonly Item[] {
    const [first] = this.#waiting;
    if (first === undefined || this.#running.size >= this.#writers) return [];
    const isAlone = this.keysOf(first) === undefined;
    if (isAlone && this.#running.size > 0) return [];
    const items = isAlone ? this.#takeInOrder() : this.#takeFree();
    if (items.length > 0) {
      this.#running.set(items, isAlone ? undefined : new Set(items.flatMap((item) => this.keysOf(item) ?? [])));
    }
    return items;
  }

  /** Ends a transaction. @param items - as returned by {@link take} */
  ended(items: readonly Item[]): void {
    this.#running.delete(items);
  }

  #takeInOrder(): Item[] {
    let rows = 0;
    const end = this.#waiting.findIndex((item, at) => (rows += item.rows()) > MAX_ROWS && at > 0);
    return this.#waiting.splice(0, end === -1 ? this.#waiting.length : end);
  }

  /** Takes items up to the first that declares nothing, except those that have to wait for a running or an earlier one. */
  #takeFree(): Item[] {
    const busy = new Set<string>();
    for (const keys of this.#running.values()) {
      if (keys === undefined) return [];
      for (const key of keys) busy.add(key);
    }
    const taken: Item[] = [];
    const left: Item[] = [];
    const keys = new Set<string>();
    let rows = 0;
    const considered = this.#waiting.splice(0, MAX_CONSIDERED);
    for (const [at, item] of considered.entries()) {
      const wanted = this.keysOf(item);
      if (wanted === undefined) {
        left.push(...considered.slice(at));
        break;
      }
      const next = item.rows();
      const fits = taken.length === 0 || (rows + next <= MAX_ROWS && keys.size + wanted.length <= MAX_KEYS);
      if (fits && wanted.every((key) => !busy.has(key))) {
        rows += next;
        taken.push(item);
        for (const key of wanted) keys.add(key);
      } else {
        left.push(item);
        for (const key of wanted) busy.add(key);
      }
    }
    this.#waiting = [...left, ...this.#waiting];
    return taken;
  }
}
