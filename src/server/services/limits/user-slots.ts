import { CommError } from '../../../protocol/errors.ts';

/** Options of {@link UserSlots}. */
export interface UserSlotsOptions {
  /** Maximum number of slots per user. */
  readonly max: () => number;
  /** Message of the error above the maximum. */
  readonly message: string;
  /** Time in ms after which a refused user may try again. */
  readonly retryAfterMs: number;
}

/**
 * Counts what a user holds at the same time, such as sockets. Above the maximum, the new one is refused and the old ones
 * stay: a client that reconnects in a loop must not disconnect the user's working devices.
 */
export class UserSlots {
  readonly #options: UserSlotsOptions;
  readonly #counts = new Map<string, number>();

  constructor(options: UserSlotsOptions) {
    this.#options = options;
  }

  /**
   * @param elsewhere - what the user holds in other processes
   * @throws CommError `RATE_LIMITED` if the user holds the maximum
   */
  check(userId: string, elsewhere = 0): void {
    const { max, message, retryAfterMs } = this.#options;
    if ((this.#counts.get(userId) ?? 0) + elsewhere >= max())
      throw new CommError('RATE_LIMITED', message, { retryAfterMs });
  }

  /**
   * Takes a slot.
   *
   * @returns a function that releases it; idempotent
   * @throws CommError `RATE_LIMITED` if the user holds the maximum
   */
  take(userId: string): () => void {
    this.check(userId);
    this.#counts.set(userId, (this.#counts.get(userId) ?? 0) + 1);
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      const others = (this.#counts.get(userId) ?? 1) - 1;
      if (others === 0) this.#counts.delete(userId);
      else this.#counts.set(userId, others);
    };
  }
}
