import type { PeerId } from './media-backend.ts';
import type { Roster } from './roster.ts';

export interface PeerTarget {
  peerJoined(peer: PeerId, offerer: 'self' | 'peer'): void;
  peerLeft(userId: string): void;
}

/** Whom the media is told to be in the call. The order of joining says who offers: who was in to who comes. */
export class Peers {
  readonly #target: PeerTarget;
  readonly #known = new Map<string, string>();

  constructor(target: PeerTarget) {
    this.#target = target;
  }

  /** Those before us, at the moment of joining. */
  roster(roster: Roster, self: string): PeerId[] {
    const ownPlace = roster.findIndex(({ userId }) => userId === self);
    const before = (ownPlace === -1 ? roster : roster.slice(0, ownPlace)).filter(({ userId }) => userId !== self);
    for (const participant of before) this.#known.set(participant.userId, placeOf(participant));
    return before.map(({ userId, deviceId }) => ({ userId, deviceId }));
  }

  /** Follows the roster. Somebody on another device, or who left and came back, is somebody else. */
  follow(roster: Roster, self: string): void {
    for (const [userId, place] of this.#known) {
      const now = roster.find((each) => each.userId === userId);
      if (now !== undefined && placeOf(now) === place) continue;
      this.#known.delete(userId);
      this.#target.peerLeft(userId);
    }
    const ownPlace = roster.findIndex(({ userId }) => userId === self);
    for (const [place, participant] of roster.entries()) {
      const { userId, deviceId } = participant;
      if (userId === self || this.#known.has(userId)) continue;
      this.#known.set(userId, placeOf(participant));
      this.#target.peerJoined({ userId, deviceId }, ownPlace !== -1 && place > ownPlace ? 'self' : 'peer');
    }
  }
}

function placeOf({ deviceId, joinedAt }: Roster[number]): string {
  return `${deviceId ?? ''} ${joinedAt}`;
}
