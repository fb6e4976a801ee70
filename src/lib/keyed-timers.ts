import type { Clock } from './clock.ts';

/** One-shot timers by key, at most one per key. */
export class KeyedTimers<K> {
  readonly #clock: Pick<Clock, 'after'>;
  readonly #cancels = new Map<K, () => void>();

  constructor(clock: Pick<Clock, 'after'>) {
    this.#clock = clock;
  }

  /** Runs `task` once after `delayMs`. Replaces the timer of the same key. */
  set(key: K, delayMs: number, task: () => void): void {
    this.cancel(key);
    const cancel = this.#clock.after(delayMs, () => {
      this.#cancels.delete(key);
      task();
    });
    this.#cancels.set(key, cancel);
  }

  has(key: K): boolean {
    return this.#cancels.has(key);
  }

  /** @returns whether a timer was running */
  cancel(key: K): boolean {
    this.#cancels.get(key)?.();
    return this.#cancels.delete(key);
  }

  /** Cancels all timers. */
  clear(): void {
    for (const cancel of this.#cancels.values()) cancel();
    this.#cancels.clear();
  }
}
