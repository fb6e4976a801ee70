import type { Call, CallParticipant, CallStateChange } from '../../protocol/calls.ts';
import {
  CALL_END_DETAILS,
  CALL_END_REASONS,
  CALL_STATES,
  CALL_TYPES,
  type CallEndDetail,
  type CallEndReason,
} from '../../protocol/vocabulary.ts';
import { fields } from '../../transport/fields.ts';
import { assignDefined, readId, readTime } from '../../transport/rows.ts';
import type { IncomingSignal, SignalBody } from './media-backend.ts';

/*
 * Readers of what a server says about calls. What can't be read is `undefined`: a server's mistake, or an attack that it
 * passes on, must not become an exception in the app.
 */

export function readCall(value: unknown): Call | undefined {
  const row = fields(value);
  const id = readId(row?.['id']);
  const conversationId = readId(row?.['conversationId']);
  const callerId = readId(row?.['callerId']);
  if (row === undefined || id === undefined || conversationId === undefined || callerId === undefined) return undefined;
  const call: Call = {
    id,
    conversationId,
    callerId,
    type: oneOf(CALL_TYPES, row['type']) ?? 'audio',
    state: oneOf(CALL_STATES, row['state']) ?? 'ringing',
    calleeIds: list(row['calleeIds'], readId),
    participants: list(row['participants'], readParticipant),
  };
  return assignDefined(call, {
    startedAt: readTime(row['startedAt']),
    answeredAt: readTime(row['answeredAt']),
    endedAt: readTime(row['endedAt']),
    endReason: oneOf(CALL_END_REASONS, row['endReason']),
  });
}

export function readParticipant(value: unknown): CallParticipant | undefined {
  const row = fields(value);
  const userId = readId(row?.['userId']);
  if (userId === undefined) return undefined;
  const participant: CallParticipant = {
    userId,
    joinedAt: readTime(row?.['joinedAt']) ?? '',
    audioMuted: row?.['audioMuted'] === true,
    videoMuted: row?.['videoMuted'] === true,
    screenSharing: row?.['screenSharing'] === true,
  };
  const mediaEncryption = row?.['mediaEncryption'] === true ? true : undefined;
  return assignDefined(participant, { deviceId: readId(row?.['deviceId']), mediaEncryption });
}

/** What a `call:state-changed` says, apart from about which call. */
export function readStateChange(row: Readonly<Record<string, unknown>>): Omit<CallStateChange, 'callId'> | undefined {
  const state = oneOf(CALL_STATES, row['state']);
  if (state === undefined) return undefined;
  return assignDefined<Omit<CallStateChange, 'callId'>>(
    { state },
    {
      endReason: oneOf<CallEndReason>(CALL_END_REASONS, row['endReason']),
      detail: oneOf<CallEndDetail>(CALL_END_DETAILS, row['detail']),
      error: text(row['error']),
    },
  );
}

export function readSignal(event: string, row: Readonly<Record<string, unknown>>): IncomingSignal | undefined {
  const userId = readId(row['fromUserId']);
  const body = readBody(event, row);
  if (userId === undefined || body === undefined) return undefined;
  const generation = row['generation'];
  const from = {
    userId,
    deviceId: readId(row['fromDeviceId']),
    generation: typeof generation === 'number' ? generation : undefined,
  };
  return { ...body, from, negotiationId: text(row['negotiationId']) };
}

function readBody(event: string, row: Readonly<Record<string, unknown>>): SignalBody | undefined {
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
      const line = row['sdpMLineIndex'];
      return {
        kind: 'candidate',
        candidate,
        sdpMLineIndex: typeof line === 'number' ? line : null,
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

function list<T>(value: unknown, read: (each: unknown) => T | undefined): T[] {
  return Array.isArray(value) ? value.map(read).filter((each) => each !== undefined) : [];
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function oneOf<const T extends string>(allowed: readonly T[], value: unknown): T | undefined {
  return allowed.find((each) => each === value);
}
