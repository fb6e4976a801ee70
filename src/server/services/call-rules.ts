import type { ToggleMedia } from '../../protocol/calls.ts';
import type { Push } from '../../protocol/events.ts';
import type { Answer, CallRecord, Seat } from '../store/ephemera/call-record.ts';
import {
  ring,
  stateChanged,
  tellDeclined,
  tellLeft,
  tellSeats,
  tellUser,
  time,
  type CallEffect,
} from './call-effects.ts';
import type { CallEndReason, CallFailure, CallType } from '../../protocol/vocabulary.ts';

/*
 * initiating ── a device of theirs rings ──► ringing
 * initiating, ringing ── somebody accepts ──► connecting ── somebody hears another ──► connected
 * initiating, ringing ── the caller gives up, or nobody is left to accept ──► ended
 * connecting, connected ── one is left ──► ended
 */

export type CallEvent =
  | ({ type: 'accepted'; userId: string } & Device)
  /** A device of somebody who was called has been told. */
  | { type: 'rung'; userId: string }
  | { type: 'connected'; userId: string }
  | { type: 'declined'; userId: string; socketId?: string | undefined }
  | { type: 'unanswered'; userId: string }
  | { type: 'left'; userId: string; reason?: CallEndReason | undefined; detail?: CallFailure | undefined }
  | { type: 'removed'; userId: string }
  | { type: 'invited'; userId: string; reachable: boolean }
  | { type: 'toggled'; userId: string; media: Omit<ToggleMedia, 'callId'> }
  /** Without a socket: one of their devices is back, and will show by what it sends which one. */
  | { type: 'moved'; userId: string; socketId: string | undefined };

export interface Device {
  socketId: string | undefined;
  /** What it calls itself; base clients don't. */
  deviceId?: string | undefined;
  /** What it says of itself; only passed on. */
  mediaEncryption?: boolean | undefined;
}

export type CallStep = readonly [call: CallRecord, effects: readonly CallEffect[]];

export interface NewCall extends Device {
  id: string;
  clientId?: string | undefined;
  conversationId: string;
  type: CallType;
  callerId: string;
  /** Without the caller, each once. */
  calleeIds: readonly string[];
  busy: ReadonlySet<string>;
  /** Who has a device that rings. */
  reachable: ReadonlySet<string>;
  at: number;
}

export function startCall({ calleeIds, busy, reachable, at, ...named }: NewCall): CallStep {
  const { socketId, deviceId, mediaEncryption, ...call } = named;
  const rung = calleeIds.filter((userId) => !busy.has(userId));
  const rings = rung.some((userId) => reachable.has(userId));
  const record: CallRecord = {
    ...call,
    state: rings ? 'ringing' : 'initiating',
    startedAt: at,
    seats: [newSeat(call.callerId, { socketId, deviceId, mediaEncryption }, call.type, at)],
    invitations: calleeIds.map((userId) => ({ userId, answer: busy.has(userId) ? 'busy' : 'pending' })),
  };
  return over(record, at, [
    ...tellSeats(record, stateChanged(record.id, { state: 'initiating' })),
    ...(rung.length === 0 ? [] : calleeIds.filter((id) => busy.has(id)).flatMap((id) => tellLeft(record, id))),
    ...rung.flatMap((userId) => ring(record, userId)),
    ...(rings ? tellSeats(record, stateChanged(record.id, { state: 'ringing' })) : []),
  ]);
}

/** Pure. What doesn't apply changes nothing: the same record, no effects. */
export function stepCall(call: CallRecord, event: CallEvent, at: number): CallStep {
  if (call.state === 'ended') return [call, []];
  switch (event.type) {
    case 'accepted':
      return accept(call, event, at);
    case 'rung':
      return rings(call, answerOf(call, event.userId) === 'pending');
    case 'connected': {
      if (call.state !== 'connecting' || !isSeated(call, event.userId)) return [call, []];
      const connected: CallRecord = { ...call, state: 'connected' };
      return [connected, tellSeats(connected, stateChanged(call.id, { state: 'connected' }))];
    }
    case 'declined': {
      if (answerOf(call, event.userId) !== 'pending') return [call, []];
      const declined = answered(call, event.userId, 'rejected');
      return withoutThem(declined, event.userId, at, tellDeclined(call.id, event.userId, event.socketId));
    }
    case 'unanswered': {
      if (answerOf(call, event.userId) !== 'pending') return [call, []];
      const missed = answered(call, event.userId, 'missed');
      return withoutThem(missed, event.userId, at, [
        tellUser(event.userId, stateChanged(call.id, { state: 'ended', endReason: 'missed' })),
      ]);
    }
    case 'left': {
      if (!isSeated(call, event.userId)) return stepCall(call, { type: 'declined', userId: event.userId }, at);
      const rest = unseated(call, event.userId);
      return over(rest, at, tellLeft(rest, event.userId), event);
    }
    case 'removed':
      return remove(call, event.userId, at);
    case 'invited': {
      const { userId, reachable } = event;
      const others = call.invitations.filter((each) => each.userId !== userId);
      const asked: CallRecord = { ...call, invitations: [...others, { userId, answer: 'pending' }] };
      const [told, effects] = rings(asked, reachable);
      return [told, [...ring(told, userId), ...effects]];
    }
    case 'toggled':
      return toggle(call, event.userId, event.media);
    case 'moved':
      return [seatChanged(call, event.userId, { socketId: event.socketId }), []];
  }
}

export function seatOf({ seats }: Pick<CallRecord, 'seats'>, userId: string): Seat | undefined {
  return seats.find((seat) => seat.userId === userId);
}

export function isSeated(call: CallRecord, userId: string): boolean {
  return seatOf(call, userId) !== undefined;
}

export function answerOf(call: CallRecord, userId: string): Answer | undefined {
  return call.invitations.find((each) => each.userId === userId)?.answer;
}

/** Tells the caller, once, that it rings somewhere. */
function rings(call: CallRecord, somewhere: boolean): CallStep {
  if (!somewhere || call.state !== 'initiating') return [call, []];
  const ringing: CallRecord = { ...call, state: 'ringing' };
  return [ringing, tellSeats(ringing, stateChanged(call.id, { state: 'ringing' }))];
}

function accept(
  call: CallRecord,
  { userId, ...device }: Extract<CallEvent, { type: 'accepted' }>,
  at: number,
): CallStep {
  if (isSeated(call, userId)) return [call, []];
  const seat = newSeat(userId, device, call.type, at);
  const joined: CallRecord = {
    ...answered(call, userId, 'accepted'),
    state: call.state === 'connected' ? 'connected' : 'connecting',
    answeredAt: call.answeredAt ?? at,
    seats: [...call.seats, seat],
  };
  const { socketId, ...participant } = seat;
  const connecting = stateChanged(call.id, { state: 'connecting' });
  return [
    joined,
    [
      { type: 'stop-ringing', userId },
      ...tellSeats(call, { event: 'call:participant-joined', data: { callId: call.id, participant } }),
      // Those who talk already must not start anew because one more joins.
      ...(call.answeredAt === undefined ? tellSeats(joined, connecting) : tellSeats({ seats: [seat] }, connecting)),
      ...(socketId === undefined
        ? []
        : [
            tellUser(
              userId,
              stateChanged(call.id, { state: 'ended', endReason: 'completed', detail: 'answered_elsewhere' }),
              socketId,
            ),
          ]),
    ],
  ];
}

function remove(call: CallRecord, userId: string, at: number): CallStep {
  const seat = seatOf(call, userId);
  if (seat !== undefined) {
    // Without the invitation: who was removed comes back when somebody asks them again.
    const rest = uninvited(unseated(call, userId), userId);
    return over(rest, at, [
      ...tellLeft(call, userId),
      ...tellSeats({ seats: [seat] }, stateChanged(call.id, { state: 'ended', endReason: 'completed' })),
    ]);
  }
  if (answerOf(call, userId) !== 'pending') return [call, []];
  return withoutThem(uninvited(call, userId), userId, at, [
    tellUser(userId, stateChanged(call.id, { state: 'ended', endReason: 'cancelled' })),
  ]);
}

/** Somebody who was rung isn't coming: theirs alone as long as the call goes on for others. */
function withoutThem(call: CallRecord, userId: string, at: number, theirs: readonly CallEffect[]): CallStep {
  const [next, effects] = over(call, at, [{ type: 'stop-ringing', userId }, ...theirs]);
  return [next, next.state === 'ended' ? effects : [...effects, ...tellLeft(next, userId)]];
}

function toggle(call: CallRecord, userId: string, media: Omit<ToggleMedia, 'callId'>): CallStep {
  const { audio, video, screenShare } = media;
  const toggled = seatChanged(call, userId, {
    ...(audio !== undefined && { audioMuted: !audio }),
    ...(video !== undefined && { videoMuted: !video }),
    ...(screenShare !== undefined && { screenSharing: screenShare }),
  });
  const push: Push = { event: 'call:media-changed', data: { callId: call.id, userId, ...media } };
  return [toggled, tellSeats(unseated(call, userId), push)];
}

interface Wish {
  reason?: CallEndReason | undefined;
  detail?: CallFailure | undefined;
}

/** Ends the call when it is over, and tells so whoever is still in it or still hears it ring. */
function over(call: CallRecord, at: number, before: readonly CallEffect[], wished: Wish = {}): CallStep {
  const endReason = reasonToEnd(call, wished.reason);
  if (endReason === undefined) return [call, before];
  const detail = endReason === 'failed' ? wished.detail : undefined;
  const push = stateChanged(call.id, { state: 'ended', endReason, ...(detail !== undefined && { detail }) });
  const pending = call.invitations.filter(({ answer }) => answer === 'pending');
  return [
    { ...call, state: 'ended', endedAt: at, endReason, endDetail: detail },
    [
      ...before,
      ...tellSeats(call, push),
      ...pending.flatMap<CallEffect>(({ userId }) => [{ type: 'stop-ringing', userId }, tellUser(userId, push)]),
      { type: 'over' },
    ],
  ];
}

function reasonToEnd(call: CallRecord, wished: CallEndReason | undefined): CallEndReason | undefined {
  if (call.answeredAt !== undefined) {
    if (call.seats.length > 1) return undefined;
    return wished === 'failed' ? 'failed' : 'completed';
  }
  if (call.seats.length === 0) return wished === 'failed' || wished === 'missed' ? wished : 'cancelled';
  const answers = new Set(call.invitations.map(({ answer }) => answer));
  if (answers.has('pending')) return undefined;
  if (answers.has('missed')) return 'missed';
  if (answers.has('rejected')) return 'rejected';
  return answers.has('busy') ? 'busy' : 'cancelled';
}

function answered(call: CallRecord, userId: string, answer: Answer): CallRecord {
  return {
    ...call,
    invitations: call.invitations.map((each) => (each.userId === userId ? { userId, answer } : each)),
  };
}

function unseated(call: CallRecord, userId: string): CallRecord {
  return { ...call, seats: call.seats.filter((seat) => seat.userId !== userId) };
}

function uninvited(call: CallRecord, userId: string): CallRecord {
  return { ...call, invitations: call.invitations.filter((each) => each.userId !== userId) };
}

function seatChanged(call: CallRecord, userId: string, change: Partial<Seat>): CallRecord {
  return { ...call, seats: call.seats.map((seat) => (seat.userId === userId ? { ...seat, ...change } : seat)) };
}

function newSeat(userId: string, device: Device, type: CallType, at: number): Seat {
  const { socketId, deviceId, mediaEncryption } = device;
  return {
    userId,
    ...(deviceId !== undefined && { deviceId }),
    ...(mediaEncryption === true && { mediaEncryption }),
    socketId,
    joinedAt: time(at),
    audioMuted: false,
    videoMuted: type === 'audio',
    screenSharing: false,
  };
}
