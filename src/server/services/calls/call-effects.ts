import type { Call, CallLog, CallStateChange } from '../../../protocol/calls.ts';
import type { Push } from '../../../protocol/events.ts';
import { toCall, type CallRecord, type Invitation, type Seat } from '../../cluster/call-record.ts';
import type { ServerMessage } from '../chat/send-service.ts';

/** Effects of a transition, in the order in which they are performed. */
export type CallEffect =
  /** Pushes to a participant, on the device that is in the call. */
  | { type: 'push-to-seat'; seat: Pick<Seat, 'userId' | 'socketId'>; push: Push }
  /** Pushes to all devices of a user. */
  | { type: 'push-to-user'; userId: string; push: Push; exceptSocketId?: string | undefined }
  /** Pushes to the devices of a user that show waiting calls. */
  | { type: 'push-waiting'; userId: string; push: Push }
  /** The call has ended: it is removed and its log message is written. */
  | { type: 'ended' };

/** Creates the message that an ended call leaves in its conversation. */
export function callLog({
  id,
  conversationId,
  callerId,
  type,
  answeredAt,
  endedAt,
  endReason,
}: CallRecord): ServerMessage {
  // A call that was cancelled or rejected while it connected was answered, but no media flowed.
  const talked = answeredAt !== undefined && endReason !== 'cancelled' && endReason !== 'rejected';
  const talkedMs = talked ? (endedAt ?? answeredAt) - answeredAt : 0;
  const log: CallLog = {
    callId: id,
    callType: type,
    outcome: endReason ?? 'failed',
    duration: Math.max(0, Math.round(talkedMs / 1_000)),
  };
  const content = JSON.stringify(log);
  return { conversationId, senderId: callerId, type: 'call', content, publicId: `call-${id}` };
}

/** Effect that invites a user. */
export function ring(call: CallRecord, { userId, waiting }: Invitation): CallEffect {
  const data = incomingCall(call, waiting);
  const push: Push = { event: 'call:incoming', data };
  return waiting === true ? { type: 'push-waiting', userId, push } : pushToUser(userId, push);
}

/** Returns the payload of `call:incoming`. */
export function incomingCall(call: CallRecord, waiting: boolean | undefined): Call {
  return { ...toCall(call), ...(waiting === true && { waiting }) };
}

/** Effects that push to every given participant. */
export function pushToSeats(
  { seats }: { seats: readonly Pick<Seat, 'userId' | 'socketId'>[] },
  push: Push,
): CallEffect[] {
  return seats.map((seat) => ({ type: 'push-to-seat', seat, push }));
}

/** Effects that tell the participants that a user has left. */
export function pushLeft(call: CallRecord, userId: string): CallEffect[] {
  return pushToSeats(call, { event: 'call:participant-left', data: { callId: call.id, userId } });
}

/** Effect that pushes to all devices of a user, optionally except one socket. */
export function pushToUser(userId: string, push: Push, exceptSocketId?: string): CallEffect {
  return { type: 'push-to-user', userId, push, ...(exceptSocketId !== undefined && { exceptSocketId }) };
}

/** Creates the push of a state change. */
export function stateChanged(callId: string, change: Omit<CallStateChange, 'callId'>): Push {
  return { event: 'call:state-changed', data: { callId, ...change } };
}

/**
 * Effects that end ringing on the devices of a user who declined. The declining device gets the plain reason, the
 * others `rejected_elsewhere`.
 */
export function pushDeclined(callId: string, userId: string, socketId: string | undefined): CallEffect[] {
  const change = { state: 'ended', endReason: 'rejected' } as const;
  if (socketId === undefined) return [pushToUser(userId, stateChanged(callId, change))];
  return [
    { type: 'push-to-seat', seat: { userId, socketId }, push: stateChanged(callId, change) },
    pushToUser(userId, stateChanged(callId, { ...change, detail: 'rejected_elsewhere' }), socketId),
  ];
}
