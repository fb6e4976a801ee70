/** Limits of a {@link Gate}. */
export interface GateOptions {
  /**
   * The number of items a closed gate buffers. Further items are dropped.
   * @defaultValue unlimited
   */
  readonly limit?: number | undefined;
  /** @defaultValue false */
  readonly open?: boolean | undefined;
}

/**
 * Holds items back until their receiver is ready: closed it buffers them in order, open it passes them on at once.
 * Items never overtake each other: one that is pushed while the buffer drains is delivered after the buffered ones.
 */
export class Gate<T> {
  readonly #deliver: (item: T) => void;
  readonly #limit: number;
  readonly #buffer: T[] = [];
  #isOpen: boolean;
  #isDraining = false;

  /** @param deliver - receives the items. If it throws, the error reaches the caller and the remaining items stay buffered. */
  constructor(deliver: (item: T) => void, { limit = Infinity, open = false }: GateOptions = {}) {
    this.#deliver = deliver;
    this.#limit = limit;
    this.#isOpen = open;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** The items that wait, oldest first. */
  get buffered(): readonly T[] {
    return this.#buffer;
  }

  /** Delivers the item, or buffers it while the gate is closed or still drains. */
  push(item: T): void {
    if (this.#isOpen && this.#buffer.length === 0 && !this.#isDraining) this.#deliver(item);
    else if (this.#buffer.length < this.#limit) this.#buffer.push(item);
  }

  /** Delivers the buffered items in order, until the gate is closed again. Idempotent. */
  open(): void {
    this.#isOpen = true;
    if (this.#isDraining) return;
    this.#isDraining = true;
    try {
      while (this.#isOpen && this.#buffer.length > 0) this.#deliver(this.#buffer.shift() as T);
    } finally {
      this.#isDraining = false;
    }
  }

  /** Buffers from here on. Idempotent. */
  close(): void {
    this.#isOpen = false;
  }

  /** Delivers the items that are buffered now. The gate stays closed: an item that is pushed meanwhile is buffered. */
  release(): void {
    for (const item of this.#buffer.splice(0)) this.#deliver(item);
  }

  /** Drops the buffered items. The gate stays open or closed. */
  reset(): void {
    this.#buffer.length = 0;
  }
}
