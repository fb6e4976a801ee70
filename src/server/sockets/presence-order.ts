import { BoundedMap } from '../../lib/bounded-map.ts';
import type { PresenceUpdate } from '../../protocol/presence.ts';

const MAX_USERS = 10_000;
/** A version is a time in µs. One that is older by more than this was made after the clock of Redis was set back. */
const MAX_DELAY = 60_000_000;

interface Delivered {
  readonly version: number;
  readonly data: PresenceUpdate;
}

/** Orders the presence that several processes push: remembers the last one of each user that was delivered. */
export class PresenceOrder {
  readonly #last = new BoundedMap<string, Delivered>(MAX_USERS);

  /** Returns whether a presence may be delivered, because no newer one was, and remembers it. */
  accept(data: PresenceUpdate, version: number | undefined): boolean {
    if (version === undefined) return true;
    if (this.#newer(data.userId, version) !== undefined) return false;
    // Set as the newest key, so that users whose presence changes are not evicted.
    this.#last.delete(data.userId);
    this.#last.set(data.userId, { version, data });
    return true;
  }

  /** Returns the presence that was delivered after the given one; otherwise the given one. */
  newest(data: PresenceUpdate, version: number | undefined): PresenceUpdate {
    return (version === undefined ? undefined : this.#newer(data.userId, version)) ?? data;
  }

  #newer(userId: string, version: number): PresenceUpdate | undefined {
    const last = this.#last.get(userId);
    return last !== undefined && last.version > version && last.version - version < MAX_DELAY ? last.data : undefined;
  }
}
