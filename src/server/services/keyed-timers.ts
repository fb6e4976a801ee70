import type { Clock } from '../../lib/clock.ts';

/** At most one timer per key: a new one takes the place of the old. */
export class KeyedTimers {
  readonly #clock: Clock;
  readonly #cancels = new Map<string, () => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  set(key: string, delayMs: number, task: () => void): void {
    this.cancel(key);
    const cancel = this.#clock.after(delayMs, () => {
      this.#cancels.delete(key);
      task();
    });
    this.#cancels.set(key, cancel);
  }

  has(key: string): boolean {
    return this.#cancels.has(key);
  }

  /** @returns whether there was one */
  cancel(key: string): boolean {
    this.#cancels.get(key)?.();
    return this.#cancels.delete(key);
  }

  clear(): void {
    for (const cancel of this.#cancels.values()) cancel();
    this.#cancels.clear();
  }
}
