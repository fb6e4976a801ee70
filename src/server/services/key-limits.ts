import type { Clock } from '../../lib/clock.ts';
import type { FloodLimit } from '../config.ts';
import { KeyedLimit, TokenBucket } from './rate-limit.ts';

const HOUR_S = 3_600;

/** A new bundle costs its checks, and a new identity a push to everybody who knows its owner. */
const UPLOADS: FloodLimit = { burst: 20, perSecond: 1 / 10 };
/** A large group's keys at once; beyond that nobody needs any. */
const REQUESTS: FloodLimit = { burst: 2_000, perSecond: 20 };
/** A sender key for everybody in a large group, twice. */
const ENVELOPES: FloodLimit = { burst: 2_000, perSecond: 20 };
/** What one caller may take of one person's: half of what is published at once, so that others find some. */
const OF_ONE: FloodLimit = { burst: 50, perSecond: 1 / HOUR_S };
/** What all callers may take of one person's: as much as is published at once. */
const OF_ALL: FloodLimit = { burst: 100, perSecond: 1 / 6 };

/** How often keys are published, asked for and taken, and sessions begun. */
export class KeyLimits {
  readonly uploads: KeyedLimit;
  readonly requests: KeyedLimit;
  readonly envelopes: KeyedLimit;
  readonly #ofOne: KeyedLimit;
  readonly #ofAll: KeyedLimit;

  constructor(clock: Clock) {
    const perKey = (limit: FloodLimit): KeyedLimit =>
      new KeyedLimit(
        (at) => new TokenBucket(limit, at),
        () => clock.now(),
      );
    this.uploads = perKey(UPLOADS);
    this.requests = perKey(REQUESTS);
    this.envelopes = perKey(ENVELOPES);
    this.#ofOne = perKey(OF_ONE);
    this.#ofAll = perKey(OF_ALL);
  }

  /** Whether the caller may take one more of the owner's one-time prekeys; if so, it counts as taken. */
  mayTake(callerId: string, ownerId: string): boolean {
    // A list, so that no two pairs of ids make the same key. A caller who may not spends nothing of what is for all.
    return this.#ofOne.tryTake(JSON.stringify([callerId, ownerId])) === 0 && this.#ofAll.tryTake(ownerId) === 0;
  }
}
