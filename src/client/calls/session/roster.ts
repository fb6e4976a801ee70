import { isSameSnapshot } from '../../../lib/same-snapshot.ts';
import type { CallParticipant } from '../../../protocol/calls.ts';

/** The participants of a call in join order. Functions on it return the same list if nothing changed. */
export type Roster = readonly CallParticipant[];

/** What a participant sends, and whether the participant has put the call on hold. */
export type MediaState = Pick<CallParticipant, 'audioMuted' | 'videoMuted' | 'screenSharing' | 'onHold'>;

/** Adds or updates a participant. A participant who rejoined (another `joinedAt`) moves to the end. */
export function withParticipant(roster: Roster, participant: CallParticipant): Roster {
  const found = roster.find(({ userId }) => userId === participant.userId);
  if (found !== undefined && isSameSnapshot(found, participant)) return roster;
  if (found?.joinedAt === participant.joinedAt) {
    return Object.freeze(roster.map((each) => (each === found ? Object.freeze(participant) : each)));
  }
  return Object.freeze([...roster.filter((each) => each !== found), Object.freeze(participant)]);
}

/** Removes a participant. */
export function withoutParticipant(roster: Roster, userId: string): Roster {
  const rest = roster.filter((each) => each.userId !== userId);
  return rest.length === roster.length ? roster : Object.freeze(rest);
}

/** Replaces all participants. Unchanged participants keep their object. */
export function withParticipants(roster: Roster, participants: readonly CallParticipant[]): Roster {
  const next = participants.map((each) => {
    const found = roster.find(({ userId }) => userId === each.userId);
    return found !== undefined && isSameSnapshot(found, each) ? found : Object.freeze(each);
  });
  const isUnchanged = next.length === roster.length && next.every((each, at) => each === roster[at]);
  return isUnchanged ? roster : Object.freeze(next);
}

/** Updates the media state of a participant. Ignores users who are not in the call. */
export function withMediaState(roster: Roster, userId: string, media: Partial<MediaState>): Roster {
  const found = roster.find((each) => each.userId === userId);
  return found === undefined ? roster : withParticipant(roster, { ...found, ...media });
}
