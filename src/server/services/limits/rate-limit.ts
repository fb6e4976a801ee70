import { BoundedMap } from '../../../lib/bounded-map.ts';
import { CommError } from '../../../protocol/errors.ts';
import type { MessageRateLimit } from '../../config.ts';

/** Allows `maxMessages` in any window of `windowSeconds`. Exact: stores the time of each. */
export class SlidingWindow {
  readonly #limit: MessageRateLimit;
  readonly #times: number[] = [];

  constructor(limit: MessageRateLimit) {
    this.#limit = limit;
  }

  /** Counts one message. @returns 0, or the time in ms until the next one is allowed */
  take(now: number): number {
    const windowMs = this.#limit.windowSeconds * 1_000;
    this.#forget(now - windowMs);
    const oldest = this.#times[0];
    if (oldest !== undefined && this.#times.length >= this.#limit.maxMessages)
      return Math.max(1, oldest + windowMs - now);
    this.#times.push(now);
    return 0;
  }

  /** Returns whether the window is empty, so that it can be discarded. */
  full(now: number): boolean {
    this.#forget(now - this.#limit.windowSeconds * 1_000);
    return this.#times.length === 0;
  }

  #forget(until: number): void {
    const kept = this.#times.findIndex((time) => time > until);
    this.#times.splice(0, kept === -1 ? this.#times.length : kept);
  }
}

interface Limit {
  take(now: number, tokens?: number): number;
  full(now: number): boolean;
}

const SWEEP_EVERY = 1_024;

/** Evicts the key that was added first beyond this number. */
const MAX_KEYS = 100_000;

/** One limit per key, such as a user. Limits in their initial state are discarded. */
export class KeyedLimit {
  readonly #create: (now: number) => Limit;
  readonly #now: () => number;
  readonly #limits: BoundedMap<string, Limit>;
  #untilSweep = SWEEP_EVERY;

  constructor(create: (now: number) => Limit, now: () => number, maxKeys = MAX_KEYS) {
    this.#create = create;
    this.#now = now;
    this.#limits = new BoundedMap(maxKeys);
  }

  /** Takes tokens. @throws CommError `RATE_LIMITED` with `retryAfterMs` */
  take(key: string, tokens = 1): void {
    const waitMs = this.tryTake(key, tokens);
    if (waitMs > 0) throw rateLimited(waitMs);
  }

  /** Takes tokens without throwing. @returns 0, or the time in ms until they are available */
  tryTake(key: string, tokens = 1): number {
    const now = this.#now();
    return (this.#limits.get(key) ?? this.#add(key, now)).take(now, tokens);
  }

  #add(key: string, now: number): Limit {
    this.#untilSweep -= 1;
    if (this.#untilSweep === 0) this.#sweep(now);
    const limit = this.#create(now);
    this.#limits.set(key, limit);
    return limit;
  }

  #sweep(now: number): void {
    this.#untilSweep = Math.max(SWEEP_EVERY, this.#limits.size);
    for (const [key, limit] of this.#limits) {
      if (limit.full(now)) this.#limits.delete(key);
    }
  }
}

/** Creates a `RATE_LIMITED` error. */
function rateLimited(retryAfterMs: number): CommError {
  return new CommError('RATE_LIMITED', 'Too many requests', { retryAfterMs });
}
