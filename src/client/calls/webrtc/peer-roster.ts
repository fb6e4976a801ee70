import type { Roster } from '../session/roster.ts';
import type { PeerId } from './media-backend.ts';

/** Receives the changes that {@link PeerRoster} finds. */
export interface PeerRosterTarget {
  peerJoined(peer: PeerId, offerer: 'self' | 'peer'): void;
  peerLeft(userId: string): void;
}

/**
 * Translates changes of the participant list into peers for the media backend. The join order decides who offers:
 * participants offer to those who join after them.
 */
export class PeerRoster {
  readonly #target: PeerRosterTarget;
  /** Device and join time by user id. */
  readonly #known = new Map<string, string>();

  constructor(target: PeerRosterTarget) {
    this.#target = target;
  }

  /** Returns the peers that joined before this device, and marks them as known. Call it once, when joining. */
  initialPeers(roster: Roster, selfId: string): PeerId[] {
    const ownIndex = roster.findIndex(({ userId }) => userId === selfId);
    const before = (ownIndex === -1 ? roster : roster.slice(0, ownIndex)).filter(({ userId }) => userId !== selfId);
    for (const participant of before) this.#known.set(participant.userId, participationOf(participant));
    return before.map(({ userId, deviceId }) => ({ userId, deviceId }));
  }

  /** Reports joined and left peers. A user who changed the device or rejoined is reported as left and joined. */
  update(roster: Roster, selfId: string): void {
    for (const [userId, participation] of this.#known) {
      const now = roster.find((each) => each.userId === userId);
      if (now !== undefined && participationOf(now) === participation) continue;
      this.#known.delete(userId);
      this.#target.peerLeft(userId);
    }
    const ownIndex = roster.findIndex(({ userId }) => userId === selfId);
    for (const [index, participant] of roster.entries()) {
      const { userId, deviceId } = participant;
      if (userId === selfId || this.#known.has(userId)) continue;
      this.#known.set(userId, participationOf(participant));
      this.#target.peerJoined({ userId, deviceId }, ownIndex !== -1 && index > ownIndex ? 'self' : 'peer');
    }
  }
}

function participationOf({ deviceId, joinedAt }: Roster[number]): string {
  return `${deviceId ?? ''} ${joinedAt}`;
}
