import type { CallParticipant, ToggleMedia } from '../../protocol/calls.ts';

/** Who is in a call, in the order they joined. Each function returns the very same list when nothing changed. */
export type Roster = readonly CallParticipant[];

/** Whoever joins again does so as the last. */
export function withParticipant(roster: Roster, participant: CallParticipant): Roster {
  const found = roster.find(({ userId }) => userId === participant.userId);
  if (found !== undefined && same(found, participant)) return roster;
  const others = roster.filter((each) => each !== found);
  const isBack = found !== undefined && found.joinedAt === participant.joinedAt;
  if (isBack) return roster.map((each) => (each === found ? Object.freeze(participant) : each));
  return Object.freeze([...others, Object.freeze(participant)]);
}

export function withoutParticipant(roster: Roster, userId: string): Roster {
  const rest = roster.filter((each) => each.userId !== userId);
  return rest.length === roster.length ? roster : Object.freeze(rest);
}

/** What the server says is there, in place of what was. */
export function replaced(roster: Roster, participants: readonly CallParticipant[]): Roster {
  const kept = participants.map((each) => {
    const found = roster.find(({ userId }) => userId === each.userId);
    return found !== undefined && same(found, each) ? found : Object.freeze(each);
  });
  const isSame = kept.length === roster.length && kept.every((each, at) => each === roster[at]);
  return isSame ? roster : Object.freeze(kept);
}

/** The values mean "on", as on the wire. */
export function toggled(
  roster: Roster,
  userId: string,
  { audio, video, screenShare }: Omit<ToggleMedia, 'callId'>,
): Roster {
  const found = roster.find((each) => each.userId === userId);
  if (found === undefined) return roster;
  return withParticipant(roster, {
    ...found,
    audioMuted: audio === undefined ? found.audioMuted : !audio,
    videoMuted: video === undefined ? found.videoMuted : !video,
    screenSharing: screenShare ?? found.screenSharing,
  });
}

function same(a: CallParticipant, b: CallParticipant): boolean {
  return (
    a.userId === b.userId &&
    a.joinedAt === b.joinedAt &&
    a.audioMuted === b.audioMuted &&
    a.videoMuted === b.videoMuted &&
    a.screenSharing === b.screenSharing &&
    a.deviceId === b.deviceId &&
    a.mediaEncryption === b.mediaEncryption
  );
}
