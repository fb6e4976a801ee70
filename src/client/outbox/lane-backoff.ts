import { backoffMs } from '../../lib/backoff.ts';
import type { Clock } from '../../lib/clock.ts';
import type { RandomSource } from '../../lib/random.ts';
import type { QueueEffect } from './outbox-queue.ts';

const BACKOFF = { baseMs: 500, maxMs: 30_000 };

interface Wait {
  /** The end of the time that the server asked for; absent if it did not ask for one. */
  readonly until: number | undefined;
  readonly askedMs: number;
  cancel: () => void;
}

/** Runs the waits before lanes are sent again: one per lane, and one for all lanes (`undefined`) after `RATE_LIMITED`. */
export class LaneBackoff {
  readonly #clock: Clock;
  readonly #random: RandomSource;
  readonly #ended: (lane: string | undefined) => void;
  readonly #waits = new Map<string | undefined, Wait>();

  /** @param ended - called when the wait of a lane is over */
  constructor(clock: Clock, random: RandomSource, ended: (lane: string | undefined) => void) {
    this.#clock = clock;
    this.#random = random;
    this.#ended = ended;
  }

  /**
   * Starts a wait: at least the time that the server asked for, and longer after each failure, because a rate limiter
   * that refills continuously asks for a few milliseconds only.
   */
  begin({ lane, failures, retryAfterMs: askedMs = 0 }: Extract<QueueEffect, { do: 'wait' }>): void {
    const until = askedMs > 0 ? this.#clock.now() + askedMs : undefined;
    this.#start(lane, Math.max(askedMs, backoffMs(failures - 1, this.#random.number(), BACKOFF)), { until, askedMs });
  }

  /** Stops the timers while there is no connection. */
  pause(): void {
    for (const { cancel } of this.#waits.values()) cancel();
  }

  /** After a reconnect only the times that the server asked for continue. */
  resume(): void {
    for (const [lane, { until = 0, askedMs }] of this.#waits) {
      // At most the original time, also if the clock was set back.
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
    this.#ended(lane);
  }
}
