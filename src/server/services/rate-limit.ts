import { CommError } from '../../protocol/errors.ts';
import type { FloodLimit, MessageRateLimit } from '../config.ts';

/** `burst` at once, refilled at `perSecond`. Time comes in from outside. */
export class TokenBucket {
  readonly #limit: FloodLimit;
  #tokens: number;
  #refilledAt: number;

  constructor(limit: FloodLimit, now: number) {
    this.#limit = limit;
    this.#tokens = limit.burst;
    this.#refilledAt = now;
  }

  /** Takes so many tokens, or all there can be. @returns 0, or the milliseconds until there are as many */
  take(now: number, tokens = 1): number {
    this.#refill(now);
    const wanted = Math.min(tokens, this.#limit.burst);
    if (this.#tokens < wanted) return Math.ceil(((wanted - this.#tokens) / this.#limit.perSecond) * 1_000);
    this.#tokens -= wanted;
    return 0;
  }

  /** As good as new: forgetting it changes nothing. */
  full(now: number): boolean {
    this.#refill(now);
    return this.#tokens >= this.#limit.burst;
  }

  #refill(now: number): void {
    // A clock that stepped back refills nothing, and nothing twice.
    const elapsedMs = Math.max(0, now - this.#refilledAt);
    this.#refilledAt = now;
    this.#tokens = Math.min(this.#limit.burst, this.#tokens + (elapsedMs / 1_000) * this.#limit.perSecond);
  }
}

/** At most `maxMessages` in any window of `windowSeconds`: exact, it keeps the time of each. */
export class SlidingWindow {
  readonly #limit: MessageRateLimit;
  readonly #times: number[] = [];

  constructor(limit: MessageRateLimit) {
    this.#limit = limit;
  }

  /** Counts one. @returns 0, or the milliseconds until one more fits */
  take(now: number): number {
    const windowMs = this.#limit.windowSeconds * 1_000;
    this.#forget(now - windowMs);
    const oldest = this.#times[0];
    if (oldest !== undefined && this.#times.length >= this.#limit.maxMessages)
      return Math.max(1, oldest + windowMs - now);
    this.#times.push(now);
    return 0;
  }

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
  take(now: number): number;
  full(now: number): boolean;
}

const SWEEP_EVERY = 1_024;

/** More keys than this are not remembered: whoever was first met longest ago is forgotten. */
const MAX_KEYS = 100_000;

/** One limit per key (a user), forgotten when it is as good as new. */
export class KeyedLimit {
  readonly #create: (now: number) => Limit;
  readonly #now: () => number;
  readonly #maxKeys: number;
  readonly #limits = new Map<string, Limit>();
  #untilSweep = SWEEP_EVERY;

  constructor(create: (now: number) => Limit, now: () => number, maxKeys = MAX_KEYS) {
    this.#create = create;
    this.#now = now;
    this.#maxKeys = maxKeys;
  }

  /** @throws CommError `RATE_LIMITED`, with `retryAfterMs` */
  take(key: string): void {
    const waitMs = this.tryTake(key);
    if (waitMs > 0) throw rateLimited(waitMs);
  }

  /** For those who have something else to do than to refuse. @returns 0, or the milliseconds until there is one */
  tryTake(key: string): number {
    const now = this.#now();
    return (this.#limits.get(key) ?? this.#add(key, now)).take(now);
  }

  #add(key: string, now: number): Limit {
    this.#untilSweep -= 1;
    if (this.#untilSweep === 0) this.#sweep(now);
    if (this.#limits.size >= this.#maxKeys) {
      const oldest = this.#limits.keys().next();
      if (oldest.done !== true) this.#limits.delete(oldest.value);
    }
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

export function rateLimited(retryAfterMs: number): CommError {
  return new CommError('RATE_LIMITED', 'Too many requests', { retryAfterMs });
}
