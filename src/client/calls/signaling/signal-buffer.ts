import type { Clock } from '../../../lib/clock.ts';

/** Buffers signals, in order, that arrived before they can be processed. Bounded by number and age. */
export class SignalBuffer<T> {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #limit: number;
  readonly #maxAgeMs: number;
  #entries: { readonly receivedAt: number; readonly item: T }[] = [];

  constructor(clock: Pick<Clock, 'now'>, limit = 256, maxAgeMs = 60_000) {
    this.#clock = clock;
    this.#limit = limit;
    this.#maxAgeMs = maxAgeMs;
  }

  /** Adds an item. If the buffer is full, the new item is dropped: the earliest candidates establish the connection. */
  push(item: T): void {
    this.#removeExpired();
    if (this.#entries.length < this.#limit) this.#entries.push({ receivedAt: this.#clock.now(), item });
  }

  /** Removes and returns the items that match, in the order they were added. */
  take(matches: (item: T) => boolean = () => true): T[] {
    this.#removeExpired();
    const taken = this.#entries.filter(({ item }) => matches(item));
    this.#entries = this.#entries.filter(({ item }) => !matches(item));
    return taken.map(({ item }) => item);
  }

  #removeExpired(): void {
    const oldest = this.#clock.now() - this.#maxAgeMs;
    this.#entries = this.#entries.filter(({ receivedAt }) => receivedAt >= oldest);
  }
}
