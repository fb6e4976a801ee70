import type { CallMachine } from './call-machine.ts';
import type { CallSnapshot } from './call-types.ts';
import type { QualityBoard } from './quality-board.ts';
import type { Roster } from './roster.ts';
import type { SessionMedia } from './session-media.ts';

const NO_STREAMS: ReadonlyMap<string, MediaStream> = new Map();
const NOBODY: readonly string[] = Object.freeze([]);

/** Where a snapshot is taken from. */
interface Source {
  readonly details: Pick<CallSnapshot, 'conversationId' | 'type' | 'callerId'>;
  readonly line: { readonly id: string };
  readonly machine: CallMachine;
  readonly media: SessionMedia | undefined;
  readonly members: { readonly roster: Roster };
  readonly quality: QualityBoard;
  readonly answeredAt: string | undefined;
}

export function snapshotOf({ details, line, machine, media, members, quality, answeredAt }: Source): CallSnapshot {
  const { conversationId, type, callerId } = details;
  const isOver = machine.state === 'ended';
  return Object.freeze({
    id: line.id,
    conversationId,
    state: machine.state,
    direction: machine.direction,
    type,
    callerId,
    participants: members.roster,
    localStream: isOver ? undefined : media?.local.stream,
    localScreen: isOver ? undefined : media?.local.screenStream,
    audio: !isOver && media?.local.isOn('mic') === true,
    video: !isOver && media?.local.isOn('camera') === true,
    screen: !isOver && media?.local.isOn('screen') === true,
    remoteStreams: media?.remoteStreams ?? NO_STREAMS,
    remoteScreens: media?.remoteScreens ?? NO_STREAMS,
    interrupted: media?.interrupted ?? NOBODY,
    activeSpeakers: media?.speakers ?? NOBODY,
    quality: quality.reports,
    audioBlocked: !isOver && media?.playback.blocked === true,
    encrypted: media?.encrypted === true,
    answeredAt,
    endReason: machine.endReason,
    detail: machine.detail,
  });
}

/** The one before where nothing has changed, so that views can compare by identity. */
export function sameSnapshot(before: CallSnapshot, now: CallSnapshot): CallSnapshot {
  const keys = Object.keys(now) as (keyof CallSnapshot)[];
  return keys.every((key) => Object.is(before[key], now[key])) ? before : now;
}
