import type { Call, CallParticipant } from '../../../protocol/calls.ts';
import {
  CALL_END_DETAILS,
  CALL_END_REASONS,
  CALL_STATES,
  CALL_TYPES,
  QUALITY_LEVELS,
  type CallEndDetail,
  type CallEndReason,
  type CallState,
  type QualityLevel,
} from '../../../protocol/constants.ts';
import { fields } from '../../../transport/fields.ts';
import { assignDefined, parseId, parseTime } from '../../../transport/parse-rows.ts';
import type { MediaState } from '../session/roster.ts';
import type { IncomingSignal, SignalBody } from '../webrtc/media-backend.ts';

type Row = Readonly<Record<string, unknown>>;

/** A push about one call. */
export type CallPush = { readonly callId: string } & (
  | {
      readonly type: 'state-changed';
      readonly state: CallState;
      readonly endReason?: CallEndReason | undefined;
      readonly detail?: CallEndDetail | undefined;
      /** A base server reports a failed `call:initiate` this way. */
      readonly error?: string | undefined;
    }
  | { readonly type: 'participant-joined'; readonly participant: CallParticipant }
  | { readonly type: 'participant-left'; readonly userId: string }
  | { readonly type: 'media-changed'; readonly userId: string; readonly media: Partial<MediaState> }
  | { readonly type: 'quality-changed'; readonly userId: string; readonly quality: QualityLevel }
  | { readonly type: 'signal'; readonly signal: IncomingSignal }
);

/** Parses a push about a call. Returns `undefined` if it is malformed or unknown; never throws. */
export function parseCallPush(event: string, data: unknown): CallPush | undefined {
  const row = fields(data);
  const callId = parseId(row?.['callId']);
  if (row === undefined || callId === undefined) return undefined;
  const userId = parseId(row['userId']);
  switch (event) {
    case 'call:state-changed':
      return parseStateChange(callId, row);
    case 'call:participant-joined': {
      const participant = parseParticipant(row['participant']);
      return participant && { type: 'participant-joined', callId, participant };
    }
    case 'call:participant-left':
      return userId === undefined ? undefined : { type: 'participant-left', callId, userId };
    case 'call:media-changed':
      return userId === undefined ? undefined : { type: 'media-changed', callId, userId, media: parseMediaState(row) };
    case 'call:quality-changed': {
      const quality = oneOf(QUALITY_LEVELS, row['quality']);
      if (userId === undefined || quality === undefined) return undefined;
      return { type: 'quality-changed', callId, userId, quality };
    }
    default: {
      const signal = parseSignal(event, row);
      return signal && { type: 'signal', callId, signal };
    }
  }
}

/** Parses a `Call`. Returns `undefined` if it is malformed; never throws. */
export function parseCall(value: unknown): Call | undefined {
  const row = fields(value);
  const id = parseId(row?.['id']);
  const conversationId = parseId(row?.['conversationId']);
  const callerId = parseId(row?.['callerId']);
  if (row === undefined || id === undefined || conversationId === undefined || callerId === undefined) return undefined;
  const call: Call = {
    id,
    conversationId,
    callerId,
    type: oneOf(CALL_TYPES, row['type']) ?? 'audio',
    state: oneOf(CALL_STATES, row['state']) ?? 'ringing',
    calleeIds: list(row['calleeIds'], parseId),
    participants: list(row['participants'], parseParticipant),
  };
  return assignDefined(call, {
    startedAt: parseTime(row['startedAt']),
    answeredAt: parseTime(row['answeredAt']),
    endedAt: parseTime(row['endedAt']),
    endReason: oneOf(CALL_END_REASONS, row['endReason']),
    detail: oneOf(CALL_END_DETAILS, row['detail']),
    waiting: row['waiting'] === true || undefined,
  });
}

function parseParticipant(value: unknown): CallParticipant | undefined {
  const row = fields(value);
  const userId = parseId(row?.['userId']);
  if (userId === undefined) return undefined;
  const participant: CallParticipant = {
    userId,
    joinedAt: parseTime(row?.['joinedAt']) ?? '',
    audioMuted: row?.['audioMuted'] === true,
    videoMuted: row?.['videoMuted'] === true,
    screenSharing: row?.['screenSharing'] === true,
  };
  return assignDefined(participant, {
    deviceId: parseId(row?.['deviceId']),
    mediaEncryption: row?.['mediaEncryption'] === true || undefined,
    onHold: row?.['onHold'] === true || undefined,
  });
}

function parseStateChange(callId: string, row: Row): CallPush | undefined {
  const state = oneOf(CALL_STATES, row['state']);
  if (state === undefined) return undefined;
  return {
    type: 'state-changed',
    callId,
    state,
    endReason: oneOf(CALL_END_REASONS, row['endReason']),
    detail: oneOf(CALL_END_DETAILS, row['detail']),
    error: text(row['error']),
  };
}

/** The fields of `call:media-changed` mean "on"; those of a participant mean "muted". */
function parseMediaState({ audio, video, screenShare, onHold }: Row): Partial<MediaState> {
  return {
    ...(typeof audio === 'boolean' && { audioMuted: !audio }),
    ...(typeof video === 'boolean' && { videoMuted: !video }),
    ...(typeof screenShare === 'boolean' && { screenSharing: screenShare }),
    ...(typeof onHold === 'boolean' && { onHold: onHold || undefined }),
  };
}

function parseSignal(event: string, row: Row): IncomingSignal | undefined {
  const userId = parseId(row['fromUserId']);
  const body = parseSignalBody(event, row);
  if (userId === undefined || body === undefined) return undefined;
  const generation = row['generation'];
  const from = {
    userId,
    deviceId: parseId(row['fromDeviceId']),
    generation: typeof generation === 'number' ? generation : undefined,
  };
  return { ...body, from, negotiationId: text(row['negotiationId']) };
}

function parseSignalBody(event: string, row: Row): SignalBody | undefined {
  switch (event) {
    case 'signal:offer':
    case 'signal:answer': {
      const sdp = text(row['sdp']);
      const kind = event === 'signal:offer' ? 'offer' : 'answer';
      return sdp === undefined ? undefined : { kind, sdp, renegotiation: row['renegotiation'] === true };
    }
    case 'signal:ice-candidate': {
      const candidate = text(row['candidate']);
      if (candidate === undefined) return undefined;
      const index = row['sdpMLineIndex'];
      return {
        kind: 'candidate',
        candidate,
        sdpMLineIndex: typeof index === 'number' ? index : null,
        sdpMid: text(row['sdpMid']) ?? null,
        usernameFragment: text(row['usernameFragment']),
      };
    }
    case 'signal:ice-restart':
      return { kind: 'ice-restart' };
    default:
      return undefined;
  }
}

function list<T>(value: unknown, parse: (each: unknown) => T | undefined): T[] {
  return Array.isArray(value) ? value.map(parse).filter((each) => each !== undefined) : [];
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function oneOf<const T extends string>(allowed: readonly T[], value: unknown): T | undefined {
  return allowed.find((each) => each === value);
}
