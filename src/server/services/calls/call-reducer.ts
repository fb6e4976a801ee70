import type { ToggleMedia } from '../../../protocol/calls.ts';
import type { Push } from '../../../protocol/events.ts';
import {
  time,
  toParticipant,
  type Away,
  type CallRecord,
  type Invitation,
  type InvitationAnswer,
  type Seat,
} from '../../cluster/call-record.ts';
import {
  ring,
  stateChanged,
  pushDeclined,
  pushLeft,
  pushToSeats,
  pushToUser,
  type CallEffect,
} from './call-effects.ts';
import type { CallEndReason, CallFailure, CallType } from '../../../protocol/constants.ts';

/*
 * initiating ── a device of a callee rings ──► ringing
 * initiating, ringing ── a callee accepts ──► connecting ── media is flowing ──► connected
 * initiating, ringing ── the caller cancels, or no callee is left ──► ended
 * connecting, connected ── no participant is left, or one of a one-to-one call ──► ended
 * connecting, connected ── one participant of a group call is left, and no invitation is pending, for a while ──► ended
 */

/** An event that changes a call. */
export type CallEvent =
  | ({ type: 'accepted'; userId: string } & Device)
  /** A device of an invited user has received the call. */
  | { type: 'ringing'; userId: string }
  | { type: 'connected'; userId: string }
  | { type: 'declined'; userId: string; socketId?: string | undefined }
  | { type: 'unanswered'; userId: string }
  | { type: 'left'; userId: string; reason?: CallEndReason | undefined; detail?: CallFailure | undefined }
  | { type: 'removed'; userId: string }
  | {
      type: 'invited';
      userId: string;
      reachable: boolean;
      waiting?: boolean | undefined;
      silent?: boolean | undefined;
    }
  /** One participant of a group call has been alone for too long. */
  | { type: 'abandoned' }
  | { type: 'toggled'; userId: string; media: Omit<ToggleMedia, 'callId'> }
  /** `socketId` is `undefined` if a device of the user reconnected that can't be identified yet. */
  | ({ type: 'reconnected'; userId: string } & Pick<Device, 'socketId' | 'processId'>)
  /** The device of a participant is disconnected. */
  | ({ type: 'disconnected'; userId: string } & Away)
  /** The process that held the call has ended, and with it the connections of all participants. */
  | { type: 'taken-over'; heldUntil: number; until: number }
  /** Another device of a participant takes over the seat. */
  | ({ type: 'replaced'; userId: string } & Device);

/** The device of a participant. */
export interface Device {
  socketId: string | undefined;
  /** Process that the device is connected to, if several processes share the calls. */
  processId?: string | undefined;
  /** Id that the device chose; base clients have none. */
  deviceId?: string | undefined;
  /** Whether the device supports media encryption. Only relayed. */
  mediaEncryption?: boolean | undefined;
  /** Whether the microphone is on. */
  audio?: boolean | undefined;
  /** Whether the camera is on; by default in a video call. */
  video?: boolean | undefined;
}

/** The next state and the effects that lead to it. */
export type CallTransition = readonly [call: CallRecord, effects: readonly CallEffect[]];

/** Data of a call to start. */
export interface NewCall extends Device {
  id: string;
  clientId?: string | undefined;
  conversationId: string;
  type: CallType;
  callerId: string;
  /** Without the caller, without duplicates. */
  calleeIds: readonly string[];
  busy: ReadonlySet<string>;
  /** Users in another call who see this one as waiting. */
  waiting: ReadonlySet<string>;
  /** Users who have blocked the caller. */
  silent?: ReadonlySet<string> | undefined;
  /** Users with a connected device. */
  reachable: ReadonlySet<string>;
  at: number;
}

/** Creates a call and invites every callee who isn't busy. The call ends at once if all callees are busy. */
export function startCall({ calleeIds, busy, waiting, silent, reachable, at, ...named }: NewCall): CallTransition {
  const { socketId, processId, deviceId, mediaEncryption, audio, video, ...call } = named;
  const rung = calleeIds.filter((userId) => !busy.has(userId));
  const rings = rung.some((userId) => reachable.has(userId));
  const record: CallRecord = {
    ...call,
    state: rings ? 'ringing' : 'initiating',
    startedAt: at,
    seats: [newSeat(call.callerId, { socketId, processId, deviceId, mediaEncryption, audio, video }, call.type, at)],
    invitations: calleeIds.map((userId) => ({
      userId,
      answer: busy.has(userId) ? 'busy' : 'pending',
      at,
      ...(waiting.has(userId) && { waiting: true }),
      ...(silent?.has(userId) === true && { silent: true }),
    })),
  };
  return endIfOver(record, at, [
    ...pushToSeats(record, stateChanged(record.id, { state: 'initiating' })),
    ...(rung.length === 0 ? [] : calleeIds.filter((id) => busy.has(id)).flatMap((id) => pushLeft(record, id))),
    ...record.invitations.filter(({ answer }) => answer === 'pending').map((each) => ring(record, each)),
    ...(rings ? pushToSeats(record, stateChanged(record.id, { state: 'ringing' })) : []),
  ]);
}

/** Events that show that a participant is there, or that need one. */
const RESUMING: ReadonlySet<CallEvent['type']> = new Set(['reconnected', 'accepted', 'replaced', 'removed']);

/** Returns the next state and its effects. Pure. An event that doesn't apply returns the same record and no effects. */
export function reduceCall(call: CallRecord, event: CallEvent, now: number): CallTransition {
  if (call.state === 'ended') return [call, []];
  if (call.heldUntil !== undefined && RESUMING.has(event.type)) {
    return reduceCall({ ...call, heldUntil: undefined }, event, now);
  }
  // A call that no device resumes has ended with the process that held it.
  const at = event.type === 'left' ? (call.heldUntil ?? now) : now;
  return watchAlone(transition(call, event, at), at);
}

function transition(call: CallRecord, event: CallEvent, at: number): CallTransition {
  switch (event.type) {
    case 'accepted':
      return accept(call, event, at);
    case 'ringing':
      return toRinging(call, answerOf(call, event.userId) === 'pending');
    case 'connected': {
      if (call.state !== 'connecting' || !isSeated(call, event.userId)) return [call, []];
      const connected: CallRecord = { ...call, state: 'connected' };
      return [connected, pushToSeats(connected, stateChanged(call.id, { state: 'connected' }))];
    }
    case 'declined': {
      if (answerOf(call, event.userId) !== 'pending') return [call, []];
      const declined = answered(call, event.userId, 'rejected');
      return dropInvitee(declined, event.userId, at, pushDeclined(call.id, event.userId, event.socketId));
    }
    case 'unanswered': {
      if (answerOf(call, event.userId) !== 'pending') return [call, []];
      const missed = answered(call, event.userId, 'missed');
      return dropInvitee(missed, event.userId, at, [
        pushToUser(event.userId, stateChanged(call.id, { state: 'ended', endReason: 'missed' })),
      ]);
    }
    case 'left': {
      if (!isSeated(call, event.userId)) return transition(call, { type: 'declined', userId: event.userId }, at);
      const rest = unseated(call, event.userId);
      const reason = reasonOfLeaving(call, event.userId, event.reason);
      return endIfOver(rest, at, pushLeft(rest, event.userId), { reason, detail: event.detail });
    }
    case 'removed':
      return remove(call, event.userId, at);
    case 'invited': {
      const { userId, reachable, waiting, silent } = event;
      const others = call.invitations.filter((each) => each.userId !== userId);
      const invitation: Invitation = {
        userId,
        answer: 'pending',
        at,
        ...(waiting === true && { waiting }),
        ...(silent === true && { silent }),
      };
      const [next, effects] = toRinging({ ...call, invitations: [...others, invitation] }, reachable);
      return [next, [ring(next, invitation), ...effects]];
    }
    case 'abandoned':
      return call.aloneSince === undefined ? [call, []] : end(call, at, [], 'completed');
    case 'toggled':
      return toggle(call, event.userId, event.media);
    case 'reconnected': {
      const { userId, socketId, processId } = event;
      return [seatChanged(call, userId, { socketId, processId, away: undefined }), []];
    }
    case 'disconnected': {
      const { until, reason } = event;
      return [seatChanged(call, event.userId, { away: { until, ...(reason !== undefined && { reason }) } }), []];
    }
    case 'taken-over': {
      const { heldUntil, until } = event;
      return [{ ...call, heldUntil, seats: call.seats.map((seat) => ({ ...seat, away: { until } })) }, []];
    }
    case 'replaced':
      return replace(call, event, at);
  }
}

/** Returns the participant with this user id. */
export function seatOf({ seats }: Pick<CallRecord, 'seats'>, userId: string): Seat | undefined {
  return seats.find((seat) => seat.userId === userId);
}

/** Returns whether the user participates in the call. */
export function isSeated(call: CallRecord, userId: string): boolean {
  return seatOf(call, userId) !== undefined;
}

/** Returns the answer of an invited user; `undefined` if the user isn't invited. */
export function answerOf(call: CallRecord, userId: string): InvitationAnswer | undefined {
  return call.invitations.find((each) => each.userId === userId)?.answer;
}

/** Moves to `ringing` when the first device rings, and tells the caller once. */
function toRinging(call: CallRecord, reachable: boolean): CallTransition {
  if (!reachable || call.state !== 'initiating') return [call, []];
  const ringing: CallRecord = { ...call, state: 'ringing' };
  return [ringing, pushToSeats(ringing, stateChanged(call.id, { state: 'ringing' }))];
}

function accept(
  call: CallRecord,
  { userId, ...device }: Extract<CallEvent, { type: 'accepted' }>,
  at: number,
): CallTransition {
  if (isSeated(call, userId)) return [call, []];
  const seat = newSeat(userId, device, call.type, at);
  const joined: CallRecord = {
    ...answered(call, userId, 'accepted'),
    state: call.state === 'connected' ? 'connected' : 'connecting',
    answeredAt: call.answeredAt ?? at,
    seats: [...call.seats, seat],
  };
  const { socketId } = seat;
  const participant = toParticipant(seat);
  const connecting = stateChanged(call.id, { state: 'connecting' });
  return [
    joined,
    [
      ...pushToSeats(call, { event: 'call:participant-joined', data: { callId: call.id, participant } }),
      // Participants who are already connected must not go back to `connecting`.
      ...(call.answeredAt === undefined ? pushToSeats(joined, connecting) : pushToSeats({ seats: [seat] }, connecting)),
      ...(socketId === undefined
        ? []
        : [
            pushToUser(
              userId,
              stateChanged(call.id, { state: 'ended', endReason: 'completed', detail: 'answered_elsewhere' }),
              socketId,
            ),
          ]),
    ],
  ];
}

/**
 * Gives the seat to another device of the user. To the others the user leaves and joins, because the new device needs new
 * connections.
 */
function replace(
  call: CallRecord,
  { userId, ...device }: Extract<CallEvent, { type: 'replaced' }>,
  at: number,
): CallTransition {
  const held = seatOf(call, userId);
  if (held === undefined) return [call, []];
  const seat = newSeat(userId, device, call.type, at);
  const rest = unseated(call, userId);
  const { socketId } = seat;
  const participant = toParticipant(seat);
  const moved = stateChanged(call.id, { state: 'ended', endReason: 'completed', detail: 'moved' });
  return [
    { ...rest, seats: [...rest.seats, seat] },
    [
      ...(held.socketId === undefined ? [pushToUser(userId, moved, socketId)] : pushToSeats({ seats: [held] }, moved)),
      ...pushLeft(rest, userId),
      ...pushToSeats(rest, { event: 'call:participant-joined', data: { callId: call.id, participant } }),
    ],
  ];
}

function remove(call: CallRecord, userId: string, at: number): CallTransition {
  const seat = seatOf(call, userId);
  if (seat !== undefined) {
    // The invitation is removed too, so that a removed user can be invited again.
    const rest = uninvited(unseated(call, userId), userId);
    return endIfOver(rest, at, [
      ...pushLeft(call, userId),
      ...pushToSeats({ seats: [seat] }, stateChanged(call.id, { state: 'ended', endReason: 'completed' })),
    ]);
  }
  if (answerOf(call, userId) !== 'pending') return [call, []];
  return dropInvitee(uninvited(call, userId), userId, at, [
    pushToUser(userId, stateChanged(call.id, { state: 'ended', endReason: 'cancelled' })),
  ]);
}

/** Removes an invited user who doesn't join. The others are told only if the call continues. */
function dropInvitee(call: CallRecord, userId: string, at: number, ownEffects: readonly CallEffect[]): CallTransition {
  const [next, effects] = endIfOver(call, at, ownEffects);
  return [next, next.state === 'ended' ? effects : [...effects, ...pushLeft(next, userId)]];
}

function toggle(call: CallRecord, userId: string, media: Omit<ToggleMedia, 'callId'>): CallTransition {
  const { audio, video, screenShare, onHold } = media;
  const toggled = seatChanged(call, userId, {
    ...(audio !== undefined && { audioMuted: !audio }),
    ...(video !== undefined && { videoMuted: !video }),
    ...(screenShare !== undefined && { screenSharing: screenShare }),
    ...(onHold !== undefined && { onHold: onHold || undefined }),
  });
  const push: Push = { event: 'call:media-changed', data: { callId: call.id, userId, ...media } };
  return [toggled, pushToSeats(unseated(call, userId), push)];
}

/**
 * While a call connects, a caller cancels it by hanging up, also if a callee has accepted at the same time, and a callee who
 * has just accepted rejects it. Both sides then end with the reason that the one who hung up has seen.
 */
function reasonOfLeaving(
  call: CallRecord,
  userId: string,
  reason: CallEndReason | undefined,
): CallEndReason | undefined {
  const own = userId === call.callerId ? 'cancelled' : 'rejected';
  return reason === 'failed' || reason === 'missed' || (reason === own && call.state !== 'connected')
    ? reason
    : 'completed';
}

interface EndRequest {
  reason?: CallEndReason | undefined;
  detail?: CallFailure | undefined;
}

/** Records since when one participant of a group call has been alone. */
function watchAlone([call, effects]: CallTransition, at: number): CallTransition {
  if (call.state === 'ended') return [call, effects];
  const isAlone =
    call.answeredAt !== undefined &&
    call.seats.length === 1 &&
    call.invitations.every(({ answer }) => answer !== 'pending');
  if (isAlone === (call.aloneSince !== undefined)) return [call, effects];
  return [{ ...call, aloneSince: isAlone ? at : undefined }, effects];
}

/** Ends the call if its end condition is met. */
function endIfOver(
  call: CallRecord,
  at: number,
  before: readonly CallEffect[],
  requested: EndRequest = {},
): CallTransition {
  const endReason = endReasonOf(call, requested.reason);
  if (endReason === undefined) return [call, before];
  return end(call, at, before, endReason, endReason === 'failed' ? requested.detail : undefined);
}

/** Ends the call and tells everyone who participates in it or still hears it ring. */
function end(
  call: CallRecord,
  at: number,
  before: readonly CallEffect[],
  endReason: CallEndReason,
  detail?: CallFailure,
): CallTransition {
  const push = stateChanged(call.id, { state: 'ended', endReason, ...(detail !== undefined && { detail }) });
  const pending = call.invitations.filter(({ answer }) => answer === 'pending');
  return [
    { ...call, state: 'ended', endedAt: at, endReason, endDetail: detail },
    [
      ...before,
      ...pushToSeats(call, push),
      ...pending.map(({ userId }) => pushToUser(userId, push)),
      { type: 'ended' },
    ],
  ];
}

function endReasonOf(call: CallRecord, requested: CallEndReason | undefined): CallEndReason | undefined {
  if (call.answeredAt !== undefined) {
    const isGroupCall = call.invitations.length > 1;
    if (call.seats.length > 1 || (call.seats.length === 1 && isGroupCall)) return undefined;
    return requested === 'missed' ? 'completed' : (requested ?? 'completed');
  }
  if (call.seats.length === 0) return requested === 'failed' || requested === 'missed' ? requested : 'cancelled';
  const answers = new Set(call.invitations.map(({ answer }) => answer));
  if (answers.has('pending')) return undefined;
  if (answers.has('missed')) return 'missed';
  if (answers.has('rejected')) return 'rejected';
  return answers.has('busy') ? 'busy' : 'cancelled';
}

/** Records an answer. A member who joined without an invitation is listed as if invited; the caller never is. */
function answered(call: CallRecord, userId: string, answer: InvitationAnswer): CallRecord {
  if (answerOf(call, userId) === undefined && userId !== call.callerId) {
    return { ...call, invitations: [...call.invitations, { userId, answer }] };
  }
  return {
    ...call,
    invitations: call.invitations.map((each) => (each.userId === userId ? { ...each, answer } : each)),
  };
}

function unseated(call: CallRecord, userId: string): CallRecord {
  return { ...call, seats: call.seats.filter((seat) => seat.userId !== userId) };
}

function uninvited(call: CallRecord, userId: string): CallRecord {
  return { ...call, invitations: call.invitations.filter((each) => each.userId !== userId) };
}

function seatChanged(call: CallRecord, userId: string, change: Partial<Seat>): CallRecord {
  if (!isSeated(call, userId)) return call;
  return { ...call, seats: call.seats.map((seat) => (seat.userId === userId ? { ...seat, ...change } : seat)) };
}

function newSeat(userId: string, device: Device, type: CallType, at: number): Seat {
  const { socketId, processId, deviceId, mediaEncryption, audio = true, video = type === 'video' } = device;
  return {
    userId,
    ...(deviceId !== undefined && { deviceId }),
    ...(mediaEncryption === true && { mediaEncryption }),
    socketId,
    ...(processId !== undefined && { processId }),
    joinedAt: time(at),
    audioMuted: !audio,
    videoMuted: !video,
    screenSharing: false,
  };
}
