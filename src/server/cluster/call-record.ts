import type { ActiveCall, Call, CallParticipant } from '../../protocol/calls.ts';
import type { CallEndReason, CallFailure, CallState, CallType } from '../../protocol/constants.ts';

/** A participant of a call, on one device. */
export interface Seat extends CallParticipant {
  /** Socket of the participant's device; `undefined` while it is unknown which device reconnected. */
  readonly socketId: string | undefined;
  /** Process that the device is connected to, if several processes share the calls. */
  readonly processId?: string | undefined;
  /** Set while the device is disconnected. */
  readonly away?: Away | undefined;
}

/** The absence of a participant whose device is disconnected. */
export interface Away {
  /** Time at which the participant leaves the call unless a device returns, in ms since the epoch. */
  readonly until: number;
  /** Why the participant leaves then. */
  readonly reason?: CallEndReason | undefined;
}

/** Answer of an invited user. `pending`: the call is still ringing. */
export type InvitationAnswer = 'pending' | 'accepted' | 'rejected' | 'busy' | 'missed';
/** A user who was invited to a call. */
export interface Invitation {
  /** Id of the invited user. */
  readonly userId: string;
  /** The user's answer. */
  readonly answer: InvitationAnswer;
  /** Time at which the call began to ring, in ms since the epoch. */
  readonly at?: number | undefined;
  /** The user was in another call when the call started to ring, which it does on devices that show waiting calls. */
  readonly waiting?: boolean | undefined;
  /** The user has blocked the one who invites: the call doesn't ring, and ends as unanswered. */
  readonly silent?: boolean | undefined;
}

/** State of a call on the server. Immutable. Times are in ms since the epoch. */
export interface CallRecord {
  /** Id of the call. */
  readonly id: string;
  /** Conversation that the call belongs to. */
  readonly conversationId: string;
  /** Audio or video. */
  readonly type: CallType;
  /** User who started the call. */
  readonly callerId: string;
  /** Id that the caller's client chose, so that a repeated request returns the same call. */
  readonly clientId?: string | undefined;
  /** Current state. */
  readonly state: 'initiating' | 'ringing' | 'connecting' | 'connected' | 'ended';
  /** Time at which the call was started. */
  readonly startedAt: number;
  /** Time at which the first invited user accepted. */
  readonly answeredAt?: number | undefined;
  /** Time at which the call ended. */
  readonly endedAt?: number | undefined;
  /** Why the call ended. */
  readonly endReason?: CallEndReason | undefined;
  /** Details of a failed call. */
  readonly endDetail?: CallFailure | undefined;
  /** Time since which one participant of a group call has been alone, with no invitation pending. */
  readonly aloneSince?: number | undefined;
  /** Time at which the earlier process that had the call last held it, until a device has resumed the call. */
  readonly heldUntil?: number | undefined;
  /** Participants, in the order in which they joined. */
  readonly seats: readonly Seat[];
  /** Invitations, in the order in which they were sent. */
  readonly invitations: readonly Invitation[];
}

/** Maps a record to the call of the wire protocol. */
export function toCall(record: CallRecord): Call {
  const { id, conversationId, type, callerId, state, endReason, endDetail, answeredAt, endedAt } = record;
  return {
    id,
    conversationId,
    type,
    state,
    callerId,
    calleeIds: record.invitations.map(({ userId }) => userId),
    startedAt: time(record.startedAt),
    ...(answeredAt !== undefined && { answeredAt: time(answeredAt) }),
    ...(endedAt !== undefined && { endedAt: time(endedAt) }),
    ...(endReason !== undefined && { endReason }),
    ...(endDetail !== undefined && { detail: endDetail }),
    participants: record.seats.map(toParticipant),
  };
}

/** Maps a seat to the participant that others see. */
export function toParticipant({
  socketId: _,
  processId: _process,
  away: _away,
  ...participant
}: Seat): CallParticipant {
  return participant;
}

/** How a call has ended for a user whose invitation was answered and who has no seat. */
const ENDED_AFTER = {
  accepted: { endReason: 'completed', detail: 'answered_elsewhere' },
  rejected: { endReason: 'rejected', detail: 'rejected_elsewhere' },
  missed: { endReason: 'missed' },
  busy: { endReason: 'busy' },
} as const;

/**
 * Maps a record to the call as a user without a seat sees it: it still rings, or it has ended. The detail is that for a
 * device of the user that has only rung.
 */
export function toUnseatedCall(record: CallRecord, userId: string): Call {
  const { answer } = record.invitations.find((each) => each.userId === userId) ?? {};
  const call = toCall(record);
  if (answer === 'pending') return call;
  const { endReason = 'completed' } = record;
  return { ...call, state: 'ended', ...(answer === undefined ? { endReason } : ENDED_AFTER[answer]) };
}

/** Maps an answered call to what all members of its conversation see; `undefined` for a call that rings or has ended. */
export function toActiveCall({ id, type, state, startedAt, answeredAt, seats }: CallRecord): ActiveCall | undefined {
  if (answeredAt === undefined || state === 'ended') return undefined;
  return { id, type, startedAt: time(startedAt), participantIds: seats.map(({ userId }) => userId) };
}

/** Maps a call of the wire protocol to a record, as if each participant had reconnected on an unknown device. */
export function toCallRecord({ participants, calleeIds, startedAt, answeredAt, endedAt, ...call }: Call): CallRecord {
  const seats = participants.map((each) => ({ ...each, socketId: undefined }));
  const isSeated = (userId: string): boolean => seats.some((seat) => seat.userId === userId);
  return {
    id: call.id,
    conversationId: call.conversationId,
    type: call.type,
    callerId: call.callerId,
    state: recordState(call.state),
    startedAt: startedAt === undefined ? 0 : Date.parse(startedAt),
    answeredAt: answeredAt === undefined ? undefined : Date.parse(answeredAt),
    endedAt: endedAt === undefined ? undefined : Date.parse(endedAt),
    endReason: call.endReason,
    seats,
    invitations: calleeIds.map((userId) => ({ userId, answer: isSeated(userId) ? 'accepted' : 'pending' })),
  };
}

/** Returns the record's state for a state of the wire: only clients are idle or reconnect. */
export function recordState(state: CallState): CallRecord['state'] {
  if (state === 'idle') return 'initiating';
  return state === 'reconnecting' ? 'connected' : state;
}

/** Formats a time in ms since the epoch as ISO 8601. */
export function time(at: number): string {
  return new Date(at).toISOString();
}
