import { BoundedMap } from '../../../lib/bounded-map.ts';
import type { Clock } from '../../../lib/clock.ts';
import { TokenBucket } from '../../../lib/token-bucket.ts';
import { CommError } from '../../../protocol/errors.ts';
import type { SharedLimits } from '../../cluster/ephemera.ts';
import type { MessageRateLimit } from '../../config.ts';
import type { RateLimit } from './server-limits.ts';

/** Allows `maxMessages` in any window of `windowSeconds`. Exact: stores the time of each. */
export class SlidingWindow {
  readonly #limit: MessageRateLimit;
  readonly #times: number[] = [];

  constructor(limit: MessageRateLimit) {
    this.#limit = limit;
  }

  /** Counts messages, at most `maxMessages`. @returns 0, or the time in ms until they are allowed */
  take(now: number, messages = 1): number {
    const { windowSeconds, maxMessages } = this.#limit;
    const windowMs = windowSeconds * 1_000;
    this.#forget(now - windowMs);
    const counted = Math.min(messages, maxMessages);
    const last = this.#times[this.#times.length + counted - maxMessages - 1];
    if (last !== undefined) return Math.max(1, last + windowMs - now);
    for (let count = 0; count < counted; count += 1) this.#times.push(now);
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

/** How a limit is shared with other processes. */
export interface LimitSharing {
  /** Names the limit: the same in all processes. */
  readonly name: string;
  readonly rate: () => RateLimit;
  readonly with: SharedLimits;
}

/** A process reports what it has used of a limit when that is this part of the burst: users below it cost the others nothing. */
const REPORTED_PART = 1 / 8;

const SWEEP_EVERY = 1_024;

/** Evicts the key that was added first beyond this number. */
const MAX_KEYS = 100_000;

/**
 * One limit per key, such as a user. Limits in their initial state are discarded.
 *
 * Shared with other processes, a key that all of them together have overused is refused until it is refilled. Each process decides
 * by what it knows, so that a burst can be exceeded by what is used before the reports arrive. While the others can't be told,
 * each process takes its share of the limit: everything costs as many tokens more as there are processes.
 */
export class KeyedLimit {
  readonly #create: (now: number) => Limit;
  readonly #now: () => number;
  readonly #limits: BoundedMap<string, Limit>;
  readonly #sharing: LimitSharing | undefined;
  /** By key: tokens that were used since the last report. */
  readonly #unreported: BoundedMap<string, number>;
  /** By key that was overused: when it is refilled. */
  readonly #overused: BoundedMap<string, number>;
  #untilSweep = SWEEP_EVERY;

  constructor(
    create: (now: number) => Limit,
    now: () => number,
    { maxKeys = MAX_KEYS, sharing }: { maxKeys?: number; sharing?: LimitSharing | undefined } = {},
  ) {
    this.#create = create;
    this.#now = now;
    this.#limits = new BoundedMap(maxKeys);
    this.#sharing = sharing;
    this.#unreported = new BoundedMap(maxKeys);
    this.#overused = new BoundedMap(maxKeys);
  }

  /** Takes tokens. @throws CommError `RATE_LIMITED` with `retryAfterMs` */
  take(key: string, tokens = 1): void {
    const waitMs = this.tryTake(key, tokens);
    if (waitMs > 0) throw rateLimited(waitMs);
  }

  /** Takes tokens without throwing. @returns 0, or the time in ms until they are available */
  tryTake(key: string, tokens = 1): number {
    const now = this.#now();
    const limit = this.#limits.get(key) ?? this.#add(key, now);
    if (this.#sharing === undefined || this.#sharing.with.processes === 1) return limit.take(now, tokens);
    return this.#takeShared(this.#sharing, { key, tokens, limit, now });
  }

  #takeShared(
    sharing: LimitSharing,
    { key, tokens, limit, now }: { key: string; tokens: number; limit: Limit; now: number },
  ): number {
    const { name, rate, with: others } = sharing;
    if (!others.connected) return limit.take(now, tokens * others.processes);
    const refilledAt = this.#overused.get(key) ?? 0;
    if (refilledAt > now) return refilledAt - now;
    this.#overused.delete(key);
    const waitMs = limit.take(now, tokens);
    if (waitMs > 0) return waitMs;
    const { burst, perSecond } = rate();
    const used = (this.#unreported.get(key) ?? 0) + Math.min(tokens, burst);
    if (used < burst * REPORTED_PART) {
      this.#unreported.set(key, used);
      return 0;
    }
    this.#unreported.delete(key);
    others.spend({ key: `${name}:${key}`, tokens: used, burst, perSecond }, (left) => {
      if (left < 0) this.#overused.set(key, this.#now() - (left / perSecond) * 1_000);
    });
    return 0;
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

/**
 * Creates a limit of one token bucket per key.
 *
 * @param rate - read when a bucket is created, because the app may configure it later
 * @param shared - shares the limit with other processes, if there are any
 */
export function keyedBuckets(name: string, rate: () => RateLimit, clock: Clock, shared?: SharedLimits): KeyedLimit {
  return new KeyedLimit(
    (now) => new TokenBucket(rate(), now),
    () => clock.now(),
    { sharing: shared && { name, rate, with: shared } },
  );
}

/** Creates a `RATE_LIMITED` error. */
function rateLimited(retryAfterMs: number): CommError {
  return new CommError('RATE_LIMITED', 'Too many requests', { retryAfterMs });
}
