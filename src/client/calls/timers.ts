import type { Clock } from '../../lib/clock.ts';
import { held } from './held.ts';

/** Timers by name: arming one again moves it. */
export class Timers<Name extends string> {
  readonly #clock: Clock;
  readonly #running = new Map<Name, () => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  arm(name: Name, ms: number, task: () => void): void {
    this.disarm(name);
    held.timers += 1;
    const cancel = this.#clock.after(ms, () => {
      this.disarm(name);
      task();
    });
    this.#running.set(name, cancel);
  }

  disarm(name: Name): void {
    const cancel = this.#running.get(name);
    if (cancel === undefined) return;
    this.#running.delete(name);
    held.timers -= 1;
    cancel();
  }

  clear(): void {
    for (const name of this.#running.keys()) this.disarm(name);
  }
}
