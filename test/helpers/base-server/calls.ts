import { randomUUID } from 'node:crypto';
import { strings, type Connection, type Handler, type Payload } from './connection.ts';

interface CallRecord {
  id: string;
  conversationId: string;
  type: string;
  state: string;
  callerId: string;
  calleeIds: string[];
  startedAt: string;
  endReason?: string;
  participants: {
    userId: string;
    joinedAt: string;
    audioMuted: boolean;
    videoMuted: boolean;
    screenSharing: boolean;
  }[];
}

/** Relays calls and keeps a list of them. The states `ringing` and `connected` are never pushed. */
export function callHandlers(): Readonly<Record<string, Handler>> {
  const calls = new Map<string, CallRecord>();
  const activeOf = (userId: string): CallRecord | undefined =>
    [...calls.values()].find((call) => call.callerId === userId || call.calleeIds.includes(userId));
  const callOf = (payload: Payload): CallRecord | undefined => calls.get(String(payload['callId']));
  const others = (call: CallRecord, userId: string): string[] =>
    call.participants.map((participant) => participant.userId).filter((id) => id !== userId);
  const tellState = (connection: Connection, userId: string, callId: string, state: string, more = {}): void =>
    connection.toUser(userId, 'call:state-changed', { callId, state, ...more });
  const participant = (connection: Connection, type: string): CallRecord['participants'][number] => ({
    userId: connection.userId,
    joinedAt: connection.shared.data.now(),
    audioMuted: false,
    videoMuted: type === 'audio',
    screenSharing: false,
  });

  const initiate: Handler = (connection, payload) => {
    const { userId } = connection;
    const ids = strings(payload, 'conversationId', 'type');
    const calleeIds = payload['calleeIds'];
    if (ids === undefined || !Array.isArray(calleeIds)) return;
    const current = activeOf(userId);
    if (current !== undefined) {
      return tellState(connection, userId, current.id, current.state, { error: 'already_in_call' });
    }
    const id = randomUUID();
    const call: CallRecord = {
      id,
      ...ids,
      state: 'initiating',
      callerId: userId,
      calleeIds: calleeIds.map(String),
      startedAt: connection.shared.data.now(),
      participants: [participant(connection, ids.type)],
    };
    tellState(connection, userId, id, 'initiating');
    if (call.calleeIds.some((callee) => activeOf(callee) !== undefined)) {
      return tellState(connection, userId, id, 'ended', { endReason: 'busy' });
    }
    calls.set(id, call);
    for (const callee of call.calleeIds) connection.toUser(callee, 'call:incoming', call);
  };

  const respond: Handler = (connection, payload) => {
    const { userId } = connection;
    const call = callOf(payload);
    if (call === undefined) return;
    const both = [call.callerId, userId];
    if (payload['action'] === 'reject') {
      calls.delete(call.id);
      for (const each of both) tellState(connection, each, call.id, 'ended', { endReason: 'rejected' });
      return;
    }
    const joined = participant(connection, call.type);
    call.participants.push(joined);
    call.state = 'connecting';
    connection.toUser(call.callerId, 'call:participant-joined', { callId: call.id, participant: joined });
    for (const each of both) tellState(connection, each, call.id, 'connecting');
  };

  const hangUp: Handler = (connection, payload) => {
    const { userId } = connection;
    const call = callOf(payload);
    if (call === undefined) return;
    const left = others(call, userId);
    for (const each of left) connection.toUser(each, 'call:participant-left', { callId: call.id, userId });
    call.participants = call.participants.filter((each) => each.userId !== userId);
    if (left.length > 1) return;
    calls.delete(call.id);
    for (const each of new Set([call.callerId, ...call.calleeIds])) {
      if (each !== userId) tellState(connection, each, call.id, 'ended', { endReason: payload['reason'] });
    }
  };

  /** Pushes to all other participants. Only media changes require the sender to be a participant. */
  const relay = (event: string, data: (connection: Connection, payload: Payload) => object): Handler => {
    return (connection, payload) => {
      const call = callOf(payload);
      if (call === undefined) return;
      for (const each of others(call, connection.userId)) connection.toUser(each, event, data(connection, payload));
    };
  };

  const add: Handler = (connection, payload) => {
    const call = callOf(payload);
    const ids = strings(payload, 'userId');
    if (
      call === undefined ||
      ids === undefined ||
      !call.participants.some(({ userId }) => userId === connection.userId)
    )
      return;
    if (activeOf(ids.userId) !== undefined) {
      return tellState(connection, connection.userId, call.id, call.state, { error: 'user_busy' });
    }
    call.calleeIds.push(ids.userId);
    connection.toUser(ids.userId, 'call:incoming', call);
  };

  const remove: Handler = (connection, payload) => {
    const call = callOf(payload);
    const ids = strings(payload, 'userId');
    if (call === undefined || ids === undefined || connection.userId !== call.callerId) return;
    if (!others(call, connection.userId).includes(ids.userId)) return;
    call.participants = call.participants.filter(({ userId }) => userId !== ids.userId);
    for (const each of [...others(call, ids.userId), ids.userId]) {
      connection.toUser(each, 'call:participant-left', { callId: call.id, userId: ids.userId });
    }
    tellState(connection, ids.userId, call.id, 'ended', { endReason: 'completed' });
  };

  /** Drops a signal unless `fromUserId` is the sender and both users are in the call. */
  const signal = (event: string): Handler => {
    return (connection, payload) => {
      const ids = strings(payload, 'fromUserId', 'toUserId');
      if (ids === undefined || ids.fromUserId !== connection.userId) return;
      const call = activeOf(connection.userId);
      if (call === undefined || ![call.callerId, ...call.calleeIds].includes(ids.toUserId)) return;
      connection.toUser(ids.toUserId, event, payload);
    };
  };

  return {
    'call:initiate': initiate,
    'call:respond': respond,
    'call:hangup': hangUp,
    'call:media-toggle': relay('call:media-changed', ({ userId }, payload) => ({ ...payload, userId })),
    'call:quality-report': relay('call:quality-changed', (_connection, payload) => payload),
    'call:add-participant': add,
    'call:remove-participant': remove,
    'signal:offer': signal('signal:offer'),
    'signal:answer': signal('signal:answer'),
    'signal:ice-candidate': signal('signal:ice-candidate'),
    'signal:ice-restart': signal('signal:ice-restart'),
  };
}
