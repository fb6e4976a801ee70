import { backoffMs } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import type { OutboxEffect } from './outbox.ts';

const BACKOFF = { baseMs: 500, maxMs: 30_000 };

interface Wait {
  /** The end of what the server has asked for; absent where the client waits of its own accord. */
  readonly until: number | undefined;
  readonly askedMs: number;
  cancel: () => void;
}

/** The waits of lanes that were told "not now", and the one of all lanes (`undefined`) of a client that is too fast. */
export class LaneWaits {
  readonly #clock: Clock;
  readonly #over: (lane: string | undefined) => void;
  readonly #waits = new Map<string | undefined, Wait>();

  constructor(clock: Clock, over: (lane: string | undefined) => void) {
    this.#clock = clock;
    this.#over = over;
  }

  /** As long as the server says, and longer each time it says so: a bucket that fills drop by drop names a few ms. */
  begin({ lane, failures, retryAfterMs: askedMs = 0 }: Extract<OutboxEffect, { do: 'wait' }>): void {
    const until = askedMs > 0 ? this.#clock.now() + askedMs : undefined;
    this.#start(lane, Math.max(askedMs, backoffMs(failures - 1, Math.random(), BACKOFF)), { until, askedMs });
  }

  /** The line is lost: no timer runs meanwhile. */
  pause(): void {
    for (const { cancel } of this.#waits.values()) cancel();
  }

  /** On a new line a wait of one's own is over; what the server has asked for is kept to. */
  resume(): void {
    for (const [lane, { until = 0, askedMs }] of this.#waits) {
      // A clock that was set back must not make it longer than it was.
      const leftMs = Math.min(until - this.#clock.now(), askedMs);
      if (leftMs > 0) this.#start(lane, leftMs, { until, askedMs });
      else this.#end(lane);
    }
  }

  #start(lane: string | undefined, delayMs: number, asked: Omit<Wait, 'cancel'>): void {
    this.#waits.get(lane)?.cancel();
    this.#waits.set(lane, { ...asked, cancel: this.#clock.after(delayMs, () => this.#end(lane)) });
  }

  #end(lane: string | undefined): void {
    this.#waits.delete(lane);
    this.#over(lane);
  }
}
