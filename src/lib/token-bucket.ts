/** The size and refill rate of a {@link TokenBucket}. */
export interface TokenBucketLimit {
  readonly burst: number;
  readonly perSecond: number;
}

/** Token bucket: `burst` tokens at once, refilled at `perSecond`. The time is passed in. */
export class TokenBucket {
  readonly #limit: TokenBucketLimit;
  #tokens: number;
  #refilledAt: number;

  constructor(limit: TokenBucketLimit, now: number) {
    this.#limit = limit;
    this.#tokens = limit.burst;
    this.#refilledAt = now;
  }

  /** Takes tokens, at most `burst`. @returns 0, or the time in ms until enough tokens are available */
  take(now: number, tokens = 1): number {
    this.#refill(now);
    const wanted = Math.min(tokens, this.#limit.burst);
    if (this.#tokens < wanted) return Math.ceil(((wanted - this.#tokens) / this.#limit.perSecond) * 1_000);
    this.#tokens -= wanted;
    return 0;
  }

  /** Returns whether the bucket is full, so that it can be discarded. */
  full(now: number): boolean {
    this.#refill(now);
    return this.#tokens >= this.#limit.burst;
  }

  #refill(now: number): void {
    // A clock that stepped back refills nothing, and the same time isn't counted twice.
    const elapsedMs = Math.max(0, now - this.#refilledAt);
    this.#refilledAt = now;
    this.#tokens = Math.min(this.#limit.burst, this.#tokens + (elapsedMs / 1_000) * this.#limit.perSecond);
  }
}
