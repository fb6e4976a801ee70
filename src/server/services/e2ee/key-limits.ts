import type { Clock } from '../../../lib/clock.ts';
import type { SharedLimits } from '../../cluster/ephemera.ts';
import { keyedBuckets, type KeyedLimit } from '../limits/rate-limit.ts';
import type { RateLimit } from '../limits/server-limits.ts';

const HOUR_S = 3_600;

/** An upload costs signature checks, and a changed identity key a push to every contact. */
const UPLOADS: RateLimit = { burst: 20, perSecond: 1 / 10 };
/** Enough for the keys of a large group at once. */
const REQUESTS: RateLimit = { burst: 2_000, perSecond: 20 };
/** Enough for two sender keys to every member of a large group. */
const ENVELOPES: RateLimit = { burst: 2_000, perSecond: 20 };
/** One-time prekeys of one user that one caller may take: half of an upload, so that others get some. */
const PREKEYS_PER_PAIR: RateLimit = { burst: 50, perSecond: 1 / HOUR_S };
/**
 * One-time prekeys of one user that all callers together may take: as many as one upload contains. Counted separately for
 * callers whom the owner knows, so that strangers can't use up what they may take.
 */
const PREKEYS_PER_OWNER: RateLimit = { burst: 100, perSecond: 1 / 6 };

/** Rate limits of key uploads, key requests, one-time prekeys and envelopes. */
export class KeyLimits {
  readonly uploads: KeyedLimit;
  readonly requests: KeyedLimit;
  readonly envelopes: KeyedLimit;
  readonly #prekeysPerPair: KeyedLimit;
  readonly #prekeysPerOwner: KeyedLimit;

  /** @param shared - shares the limits with other processes, if there are any */
  constructor(clock: Clock, shared?: SharedLimits) {
    const perKey = (name: string, limit: RateLimit): KeyedLimit => keyedBuckets(name, () => limit, clock, shared);
    this.uploads = perKey('keyUploads', UPLOADS);
    this.requests = perKey('keyRequests', REQUESTS);
    this.envelopes = perKey('envelopes', ENVELOPES);
    this.#prekeysPerPair = perKey('prekeysPerPair', PREKEYS_PER_PAIR);
    this.#prekeysPerOwner = perKey('prekeysPerOwner', PREKEYS_PER_OWNER);
  }

  /**
   * Returns whether the caller may take another one-time prekey of the owner, and counts it.
   *
   * @param isKnown - whether the owner knows the caller
   */
  tryTakeOneTimePreKey(callerId: string, ownerId: string, isKnown: boolean): boolean {
    // JSON keeps pairs of ids distinct. A caller over its own limit takes nothing from the limit of all callers.
    return (
      this.#prekeysPerPair.tryTake(JSON.stringify([callerId, ownerId])) === 0 &&
      this.#prekeysPerOwner.tryTake(JSON.stringify([ownerId, isKnown])) === 0
    );
  }
}
