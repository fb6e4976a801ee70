import type { Call, CallLog, CallStateChange } from '../../protocol/calls.ts';
import type { Push } from '../../protocol/events.ts';
import type { CallRecord, Seat } from '../store/ephemera/call-record.ts';
import type { ServerMessage } from './sending.ts';

/** What must happen besides the new state, in this order. */
export type CallEffect =
  /** To a participant, on the device that is in the call. */
  | { type: 'tell'; seat: Pick<Seat, 'userId' | 'socketId'>; push: Push }
  /** To all devices of somebody. */
  | { type: 'tell-user'; userId: string; push: Push; exceptSocketId?: string | undefined }
  | { type: 'ring'; userId: string }
  | { type: 'stop-ringing'; userId: string }
  /** The call is over: forget it, and write its row. */
  | { type: 'over' };

/** The call as it is on the wire. */
export function toCall(record: CallRecord): Call {
  const { id, conversationId, type, callerId, state, endReason, answeredAt, endedAt } = record;
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
    participants: record.seats.map(({ socketId: _, ...participant }) => participant),
  };
}

/** The row that a call which is over leaves in its conversation. */
export function callLog({
  id,
  conversationId,
  callerId,
  type,
  answeredAt,
  endedAt,
  endReason,
}: CallRecord): ServerMessage {
  const talkedMs = answeredAt === undefined ? 0 : (endedAt ?? answeredAt) - answeredAt;
  const log: CallLog = {
    callId: id,
    callType: type,
    outcome: endReason ?? 'failed',
    duration: Math.max(0, Math.round(talkedMs / 1_000)),
  };
  const content = JSON.stringify(log);
  return { conversationId, senderId: callerId, type: 'call', content, publicId: `call-${id}` };
}

export function ring(call: CallRecord, userId: string): CallEffect[] {
  return [tellUser(userId, { event: 'call:incoming', data: toCall(call) }), { type: 'ring', userId }];
}

export function tellSeats(
  { seats }: { seats: readonly Pick<Seat, 'userId' | 'socketId'>[] },
  push: Push,
): CallEffect[] {
  return seats.map((seat) => ({ type: 'tell', seat, push }));
}

export function tellLeft(call: CallRecord, userId: string): CallEffect[] {
  return tellSeats(call, { event: 'call:participant-left', data: { callId: call.id, userId } });
}

export function tellUser(userId: string, push: Push, exceptSocketId?: string): CallEffect {
  return { type: 'tell-user', userId, push, ...(exceptSocketId !== undefined && { exceptSocketId }) };
}

export function stateChanged(callId: string, change: Omit<CallStateChange, 'callId'>): Push {
  return { event: 'call:state-changed', data: { callId, ...change } };
}

export function tellDeclined(callId: string, userId: string, socketId: string | undefined): CallEffect[] {
  const change = { state: 'ended', endReason: 'rejected' } as const;
  if (socketId === undefined) return [tellUser(userId, stateChanged(callId, change))];
  return [
    { type: 'tell', seat: { userId, socketId }, push: stateChanged(callId, change) },
    tellUser(userId, stateChanged(callId, { ...change, detail: 'rejected_elsewhere' }), socketId),
  ];
}

export function time(at: number): string {
  return new Date(at).toISOString();
}
