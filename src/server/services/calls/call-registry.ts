import type { Clock } from '../../../lib/clock.ts';
import type { Call } from '../../../protocol/calls.ts';
import type { Capability } from '../../../protocol/constants.ts';
import { CommError } from '../../../protocol/errors.ts';
import type { Push } from '../../../protocol/events.ts';
import type { ResolvedConfig } from '../../config.ts';
import { toCall, type CallRecord, type Seat } from '../../cluster/call-record.ts';
import type { CommunicationStore } from '../../cluster/memory-ephemera.ts';
import { incomingCall, type CallEffect } from './call-effects.ts';
import {
  answerOf,
  seatOf,
  startCall,
  reduceCall,
  type CallEvent,
  type CallTransition,
  type NewCall,
} from './call-reducer.ts';
import type { StoredCall } from './call-store.ts';
import { CallRequests } from './call-requests.ts';
import { SignalBuffer } from './signal-buffer.ts';
import { KeyedTimers } from '../../../lib/keyed-timers.ts';
import type { Caller, Broadcaster } from '../ports.ts';

/** The part of the broadcaster that calls use. */
export interface CallBroadcaster extends Pick<Broadcaster, 'toUser' | 'toSocket'> {
  isConnected(socketId: string): boolean;
  /** Returns the user's sockets whose clients have a capability. */
  socketsWith(userId: string, capability: Capability): readonly string[];
}

/** How long a group call with one participant and no pending invitation lasts. */
const ALONE_MS = 30_000;
/** How long a disconnected caller may take to return once a callee has accepted. */
const CALLER_RETURN_MS = 5_000;

/** Dependencies of {@link CallRegistry}. */
export interface CallRegistryDeps {
  ephemera: Pick<
    CommunicationStore,
    | 'getCallRecord'
    | 'setCallRecord'
    | 'removeCall'
    | 'getCallRecordsForUser'
    | 'getCallRecordsForConversation'
    | 'isUserOnline'
  >;
  broadcaster: CallBroadcaster;
  clock: Clock;
  config: Pick<ResolvedConfig, 'ringTimeoutMs' | 'callReconnectMs'>;
  /** Called after each change of a call. */
  changed: (call: CallRecord) => void;
  /** Writes the log message of an ended call. Not awaited; must not reject. */
  log: (call: CallRecord) => void;
}

/**
 * Holds the active calls, their timers and the sockets of their participants. No await stands between reading a call
 * and storing it, so that two devices that answer at once are handled one after the other.
 */
export class CallRegistry {
  readonly #deps: CallRegistryDeps;
  /** By call and user: the timeout of ringing, and the timeout of a participant whose device has disconnected. */
  readonly #ringTimers: KeyedTimers<string>;
  readonly #reconnectTimers: KeyedTimers<string>;
  /** By call: the end of a group call with one participant. */
  readonly #aloneTimers: KeyedTimers<string>;
  readonly #bufferedSignals = new SignalBuffer();
  readonly requests: CallRequests;
  /** By call of an earlier process: when that process last held it, until a device has resumed it. */
  readonly #lastSeen = new Map<string, number>();

  constructor(deps: CallRegistryDeps) {
    this.#deps = deps;
    this.#ringTimers = new KeyedTimers(deps.clock);
    this.#reconnectTimers = new KeyedTimers(deps.clock);
    this.#aloneTimers = new KeyedTimers(deps.clock);
    this.requests = new CallRequests(deps.clock);
  }

  /** Returns a call by its id. */
  get(callId: string): CallRecord | undefined {
    return this.#deps.ephemera.getCallRecord(callId);
  }

  /** Returns the calls that the user participates in or is invited to. */
  of(userId: string): readonly CallRecord[] {
    return this.#deps.ephemera.getCallRecordsForUser(userId);
  }

  /** Returns the running call of a conversation, otherwise the first one that rings. */
  ofConversation(conversationId: string): CallRecord | undefined {
    const calls = this.#deps.ephemera.getCallRecordsForConversation(conversationId);
    return calls.find(({ answeredAt }) => answeredAt !== undefined) ?? calls[0];
  }

  /** Starts a call. Users without a connected device are invited but don't ring yet. */
  start(call: Omit<NewCall, 'at' | 'reachable'>): Call {
    const reachable = new Set(call.calleeIds.filter((id) => call.silent?.has(id) !== true && this.isReachable(id)));
    this.requests.remember(call.callerId, call.clientId, call.id);
    return this.#apply(startCall({ ...call, reachable, at: this.#deps.clock.now() }));
  }

  /** Applies an event to a call and performs its effects. */
  step(call: CallRecord, event: CallEvent): Call {
    const { type } = event;
    const changesSeat = type === 'left' || type === 'removed' || type === 'accepted' || type === 'replaced';
    if (changesSeat) this.#clearSeatTimer(call.id, event.userId);
    if (changesSeat || type === 'reconnected') {
      if (type === 'left')
        return this.#apply(reduceCall(call, event, this.#lastSeen.get(call.id) ?? this.#deps.clock.now()));
      this.#lastSeen.delete(call.id);
    }
    const changed = this.#apply(reduceCall(call, event, this.#deps.clock.now()));
    if (type === 'accepted' && call.answeredAt === undefined) this.#awaitCaller(call);
    return changed;
  }

  /** Returns whether a device of the user shows waiting calls. */
  showsWaiting(userId: string): boolean {
    return this.#deps.broadcaster.socketsWith(userId, 'call-waiting').length > 0;
  }

  /** A callee doesn't wait as long as a participant for a caller whose device is disconnected. */
  #awaitCaller({ id, callerId }: CallRecord): void {
    const at = key(id, callerId);
    if (!this.#reconnectTimers.has(at)) return;
    const waitMs = Math.min(CALLER_RETURN_MS, this.#deps.config.callReconnectMs);
    this.#reconnectTimers.set(at, waitMs, () =>
      this.#stepLater(id, { type: 'left', userId: callerId, reason: 'cancelled' }),
    );
  }

  /** Pushes to the participant's device, or to all devices of the user while the device is unknown. */
  pushToSeat({ userId, socketId }: Pick<Seat, 'userId' | 'socketId'>, push: Push): void {
    if (socketId === undefined) this.#deps.broadcaster.toUser(userId, push);
    else this.#deps.broadcaster.toSocket(socketId, push);
  }

  /**
   * Pushes a signal to a participant. If the participant's device is disconnected, the signal is buffered until it
   * reconnects.
   *
   * @throws CommError `UNAVAILABLE` if the buffer is full
   */
  relay(callId: string, seat: Seat, push: Push): void {
    const at = key(callId, seat.userId);
    if (seat.deviceId === undefined || !this.#reconnectTimers.has(at)) return this.pushToSeat(seat, push);
    if (this.#bufferedSignals.add(at, push)) return;
    throw new CommError('UNAVAILABLE', 'The device is disconnected and its signal buffer is full', {
      retryAfterMs: 1_000,
    });
  }

  /**
   * Binds the caller's seat to the caller's socket. A device with the same device id takes the seat even if its old
   * socket is still connected. A device without an id takes it only if the old socket is disconnected.
   */
  resume(call: CallRecord, caller: Caller, deviceId: string | undefined): CallRecord {
    const seat = seatOf(call, caller.userId);
    if (seat === undefined || seat.deviceId !== deviceId) return call;
    return deviceId === undefined && this.isConnected(seat) ? call : this.#move(call, caller);
  }

  /** Returns whether the user has a connected device. */
  isReachable(userId: string): boolean {
    return this.#deps.ephemera.isUserOnline(userId);
  }

  /**
   * Binds the caller's seat to this socket.
   *
   * @throws CommError `CONFLICT` if another connected device holds it
   */
  claim(call: CallRecord, caller: Caller): CallRecord {
    const seat = seatOf(call, caller.userId);
    if (seat === undefined || caller.socketId === undefined || seat.socketId === caller.socketId) return call;
    if (this.isConnected(seat)) throw new CommError('CONFLICT', 'The call is active on another device');
    return this.#move(call, caller);
  }

  /**
   * Leaves the calls in which the user's device is disconnected. Called when the user starts or accepts another call.
   */
  releaseDisconnectedSeats(userId: string): void {
    for (const call of this.of(userId)) {
      const seat = seatOf(call, userId);
      if (seat !== undefined && !this.isConnected(seat)) this.step(call, { type: 'left', userId });
    }
  }

  /**
   * Takes up the calls of an earlier process. Their devices have `callReconnectMs` to resume them; a call that none resumes
   * ended when that process did.
   */
  restore(calls: readonly StoredCall[]): void {
    const { clock, config, ephemera, log, changed } = this.#deps;
    for (const { record, seenAt } of calls) {
      const { id, callerId, clientId, state, seats, invitations, startedAt, aloneSince } = record;
      if (ephemera.getCallRecord(id) !== undefined) continue;
      if (state === 'ended') {
        log(record);
        continue;
      }
      ephemera.setCallRecord(record);
      this.requests.remember(callerId, clientId, id);
      this.#lastSeen.set(id, Math.min(seenAt, clock.now()));
      for (const { userId } of seats) this.#awaitDevice(id, userId);
      for (const { userId, answer, at = startedAt } of invitations) {
        if (answer === 'pending') this.#ringFor(id, userId, at + config.ringTimeoutMs - clock.now());
      }
      if (aloneSince !== undefined) this.#endAlone(id, aloneSince + ALONE_MS - clock.now());
      changed(record);
    }
  }

  /** Handles a connected socket: pushes the calls that are ringing and restores the seat of a device without an id. */
  connected({ userId, socketId, caps }: Caller): void {
    if (socketId === undefined) return;
    for (const call of this.of(userId)) {
      if (answerOf(call, userId) === 'pending') {
        const { waiting, silent } = call.invitations.find((each) => each.userId === userId) ?? {};
        if (silent === true) continue;
        if (waiting === true && !caps.has('call-waiting')) continue;
        this.#deps.broadcaster.toSocket(socketId, { event: 'call:incoming', data: incomingCall(call, waiting) });
        this.step(call, { type: 'ringing', userId });
        // A device with an id restores its seat by `call:sync`.
      } else if (call.seats.some((seat) => seat.userId === userId && seat.deviceId !== undefined)) {
        continue;
      } else if (this.#reconnectTimers.cancel(key(call.id, userId))) {
        this.step(call, { type: 'reconnected', userId, socketId: undefined });
      }
    }
  }

  /** Handles a disconnected socket. If it was in a call, the device may reconnect within `callReconnectMs`. */
  disconnected({ userId, socketId }: Caller): void {
    const { ephemera } = this.#deps;
    for (const call of this.of(userId)) {
      const seat = seatOf(call, userId);
      const gone = seat?.socketId === undefined ? !ephemera.isUserOnline(userId) : seat.socketId === socketId;
      if (seat === undefined || !gone) continue;
      this.#awaitDevice(call.id, userId);
    }
  }

  #awaitDevice(callId: string, userId: string): void {
    this.#reconnectTimers.set(key(callId, userId), this.#deps.config.callReconnectMs, () =>
      this.#stepLater(callId, { type: 'left', userId }),
    );
  }

  #ringFor(callId: string, userId: string, forMs: number): void {
    const unanswered = (): void => this.#stepLater(callId, { type: 'unanswered', userId });
    this.#ringTimers.set(key(callId, userId), Math.max(0, forMs), unanswered);
  }

  #endAlone(callId: string, inMs: number): void {
    this.#aloneTimers.set(callId, Math.max(0, inMs), () => this.#stepLater(callId, { type: 'abandoned' }));
  }

  /** Stops all timers. */
  close(): void {
    this.#ringTimers.clear();
    this.#reconnectTimers.clear();
    this.#aloneTimers.clear();
  }

  /** Binds the seat to the socket and delivers the buffered signals before any newer one. */
  #move(call: CallRecord, { userId, socketId }: Caller): CallRecord {
    if (socketId === undefined) return call;
    const at = key(call.id, userId);
    this.#reconnectTimers.cancel(at);
    this.step(call, { type: 'reconnected', userId, socketId });
    for (const push of this.#bufferedSignals.take(at)) this.#deps.broadcaster.toSocket(socketId, push);
    return this.get(call.id) ?? call;
  }

  #clearSeatTimer(callId: string, userId: string): void {
    this.#reconnectTimers.cancel(key(callId, userId));
    this.#bufferedSignals.take(key(callId, userId));
  }

  /** Returns whether the device that holds the seat is connected. */
  isConnected({ socketId }: Seat): boolean {
    return socketId !== undefined && this.#deps.broadcaster.isConnected(socketId);
  }

  /** Applies the event of a timer if the call still exists. */
  #stepLater(callId: string, event: CallEvent): void {
    const call = this.get(callId);
    if (call !== undefined) this.step(call, event);
  }

  #apply([call, effects]: CallTransition): Call {
    if (call.state === 'ended') this.#deps.ephemera.removeCall(call.id);
    else this.#deps.ephemera.setCallRecord(call);
    this.#deps.changed(call);
    for (const effect of effects) this.#perform(call, effect);
    return toCall(call);
  }

  #perform(call: CallRecord, effect: CallEffect): void {
    const { broadcaster, config, log } = this.#deps;
    const isPush = effect.type === 'push-to-user' || effect.type === 'push-waiting';
    if (isPush && isSilent(call, effect.userId)) return;
    switch (effect.type) {
      case 'push-to-seat':
        this.pushToSeat(effect.seat, effect.push);
        break;
      case 'push-to-user':
        broadcaster.toUser(effect.userId, effect.push, { exceptSocketId: effect.exceptSocketId });
        break;
      case 'push-waiting':
        for (const id of broadcaster.socketsWith(effect.userId, 'call-waiting')) broadcaster.toSocket(id, effect.push);
        break;
      case 'alone':
        this.#endAlone(call.id, ALONE_MS);
        break;
      case 'not-alone':
        this.#aloneTimers.cancel(call.id);
        break;
      case 'ring':
        this.#ringFor(call.id, effect.userId, config.ringTimeoutMs);
        break;
      case 'stop-ringing':
        this.#ringTimers.cancel(key(call.id, effect.userId));
        break;
      case 'ended':
        this.#aloneTimers.cancel(call.id);
        this.#lastSeen.delete(call.id);
        for (const { userId } of call.seats) this.#clearSeatTimer(call.id, userId);
        this.requests.recordEnded(call);
        log(call);
        break;
    }
  }
}

/** Returns whether the user's devices must not be told of the call. */
function isSilent({ invitations }: CallRecord, userId: string): boolean {
  return invitations.some((each) => each.userId === userId && each.silent === true && each.answer !== 'accepted');
}

function key(callId: string, userId: string): string {
  return JSON.stringify([callId, userId]);
}
