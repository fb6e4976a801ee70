import { KeyedTimers } from './keyed-timers.ts';
import type { Clock } from './clock.ts';

/**
 * Collects items by key. The first items of a key are passed on at once; those that follow within the interval are passed
 * on together at its end, which starts the next interval. Items keep their order.
 */
export class KeyedWindow<T> {
  readonly #timers: KeyedTimers<string>;
  readonly #intervalMs: number;
  readonly #pass: (key: string, items: readonly T[]) => void;
  readonly #ended: (key: string) => void;
  /** The items that wait, of each key with a running interval. */
  readonly #waiting = new Map<string, T[]>();

  /** @param ended - called at the end of each interval of a key, before its items are passed on */
  constructor(
    clock: Pick<Clock, 'after'>,
    intervalMs: number,
    pass: (key: string, items: readonly T[]) => void,
    ended: (key: string) => void = () => undefined,
  ) {
    this.#timers = new KeyedTimers(clock);
    this.#intervalMs = intervalMs;
    this.#pass = pass;
    this.#ended = ended;
  }

  add(key: string, items: readonly T[]): void {
    if (items.length === 0) return;
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) this.#passOn(key, items);
    else waiting.push(...items);
  }

  /** Drops what waits. */
  clear(): void {
    this.#timers.clear();
    this.#waiting.clear();
  }

  #passOn(key: string, items: readonly T[]): void {
    this.#waiting.set(key, []);
    this.#timers.set(key, this.#intervalMs, () => {
      const collected = this.#waiting.get(key) ?? [];
      this.#waiting.delete(key);
      this.#ended(key);
      if (collected.length > 0) this.#passOn(key, collected);
    });
    this.#pass(key, items);
  }
}
