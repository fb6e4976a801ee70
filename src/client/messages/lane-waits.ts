import { backoffMs } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import type { OutboxEffect } from './outbox.ts';

const BACKOFF = { baseMs: 500, maxMs: 30_000 };

/** The waits of lanes that were told "not now". */
export class LaneWaits {
  readonly #clock: Clock;
  readonly #over: (lane: string) => void;
  readonly #cancels = new Map<string, () => void>();

  constructor(clock: Clock, over: (lane: string) => void) {
    this.#clock = clock;
    this.#over = over;
  }

  begin({ lane, failures, retryAfterMs }: Extract<OutboxEffect, { do: 'wait' }>): void {
    const delay = retryAfterMs ?? backoffMs(failures - 1, Math.random(), BACKOFF);
    this.#cancels.get(lane)?.();
    const cancel = this.#clock.after(delay, () => {
      this.#cancels.delete(lane);
      this.#over(lane);
    });
    this.#cancels.set(lane, cancel);
  }

  cancel(): void {
    for (const cancel of this.#cancels.values()) cancel();
    this.#cancels.clear();
  }
}
