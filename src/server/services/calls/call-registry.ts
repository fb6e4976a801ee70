import type { Clock } from '../../../lib/clock.ts';
import type { Call } from '../../../protocol/calls.ts';
import { CommError } from '../../../protocol/errors.ts';
import type { Push } from '../../../protocol/events.ts';
import type { ResolvedConfig } from '../../config.ts';
import { toCall, type CallRecord, type Seat } from '../../cluster/call-record.ts';
import { deadlinesOf } from './call-deadlines.ts';
import { incomingCall, type CallEffect } from './call-effects.ts';
import type { CallLedger } from './call-ledger.ts';
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
import type { Caller, CallPushes } from '../ports.ts';

/** How long a disconnected caller may take to return once a callee has accepted. */
const CALLER_RETURN_MS = 5_000;

/** Port of the devices that are connected. */
export interface CallDevices {
  /** Id of this process in seats, if several processes share the calls. */
  readonly processId?: string | undefined;
  /** Returns whether a socket of this process is connected. */
  isConnected(socketId: string): boolean;
  /** Returns whether the device that holds a seat is connected. */
  isSeatConnected(seat: Seat): boolean;
  /** Returns whether a signal reaches the seat now. Otherwise it is buffered. */
  receivesSignals(seat: Seat): boolean;
  /** Returns whether a device of the user is connected. */
  isReachable(userId: string): boolean;
  /** Returns whether a device of the user shows waiting calls. */
  showsWaiting(userId: string): boolean;
}

/** Dependencies of {@link CallRegistry}. */
export interface CallRegistryDeps {
  ledger: CallLedger;
  devices: CallDevices;
  broadcaster: CallPushes;
  clock: Pick<Clock, 'now'>;
  config: Pick<ResolvedConfig, 'ringTimeoutMs' | 'callReconnectMs'>;
  /** Called after each change of a call. */
  changed: (call: CallRecord) => void;
  /** Writes the log message of an ended call. Not awaited; must not reject. */
  log: (call: CallRecord) => void;
}

/**
 * Applies events to calls and performs their effects. No await stands between reading a call and storing it, so that two
 * devices that answer at once are handled one after the other.
 */
export class CallRegistry {
  readonly #deps: CallRegistryDeps;

  constructor(deps: CallRegistryDeps) {
    this.#deps = deps;
  }

  /** Returns a call by its id. */
  get(callId: string): CallRecord | undefined {
    return this.#deps.ledger.get(callId);
  }

  /** Returns the calls that the user participates in or is invited to. */
  of(userId: string): readonly CallRecord[] {
    return this.#deps.ledger.of(userId);
  }

  /** Returns the running call of a conversation, otherwise the first one that rings. */
  ofConversation(conversationId: string): CallRecord | undefined {
    const calls = this.#deps.ledger.ofConversation(conversationId);
    return calls.find(({ answeredAt }) => answeredAt !== undefined) ?? calls[0];
  }

  /** Starts a call. Users without a connected device are invited but don't ring yet. */
  start(call: Omit<NewCall, 'at' | 'reachable' | 'processId'>): Call {
    const { ledger, devices, clock } = this.#deps;
    const rung = call.calleeIds.filter((id) => call.silent?.has(id) !== true && devices.isReachable(id));
    ledger.remember(call.callerId, call.clientId, call.id);
    const { processId } = devices;
    return this.#apply(startCall({ ...call, processId, reachable: new Set(rung), at: clock.now() }));
  }

  /** Applies an event to a call and performs its effects. */
  step(call: CallRecord, event: CallEvent): Call {
    const { ledger, clock } = this.#deps;
    const { type } = event;
    const changesSeat = type === 'left' || type === 'removed' || type === 'accepted' || type === 'replaced';
    if (changesSeat) ledger.unbuffer(call.id, event.userId, () => undefined);
    const changed = this.#apply(reduceCall(call, event, clock.now()), call);
    if (type === 'accepted' && call.answeredAt === undefined) this.#awaitCaller(call);
    return changed;
  }

  /** Applies the events of a call whose time has come. */
  due(callId: string): void {
    const { ledger, clock, config } = this.#deps;
    const call = this.get(callId);
    if (call === undefined) return;
    const now = clock.now();
    const deadlines = deadlinesOf(call, config);
    const due = deadlines.filter(({ at }) => at <= now);
    // All of these happen, also if one of them is the cause of a deadline that has passed too.
    for (const { event } of due) this.#stepLater(callId, event);
    if (due.length > 0) this.due(callId);
    // A timer can fire early by a fraction of a millisecond.
    else ledger.put(call, deadlines[0]?.at);
  }

  /** Pushes to the participant's device, or to all devices of the user while the device is unknown. */
  pushToSeat({ userId, socketId }: Pick<Seat, 'userId' | 'socketId'>, push: Push): void {
    if (socketId === undefined) this.#deps.broadcaster.toUser(userId, push);
    else this.#deps.broadcaster.toSocket(socketId, push, userId);
  }

  /**
   * Pushes a signal to a participant. If the participant's device is disconnected, the signal is buffered until it
   * reconnects.
   *
   * @throws CommError `UNAVAILABLE` if the buffer is full
   */
  relay(callId: string, seat: Seat, push: Push): void {
    const { ledger, devices } = this.#deps;
    if (seat.deviceId === undefined || devices.receivesSignals(seat)) return this.pushToSeat(seat, push);
    if (ledger.buffer(callId, seat.userId, push)) return;
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
    const { clock, config, ledger, log } = this.#deps;
    for (const { record, seenAt } of calls) {
      const { id, callerId, clientId, state } = record;
      if (ledger.get(id) !== undefined) continue;
      if (state === 'ended') {
        log(record);
        continue;
      }
      ledger.remember(callerId, clientId, id);
      const now = clock.now();
      const heldUntil = Math.min(seenAt, now);
      this.#apply(reduceCall(record, { type: 'taken-over', heldUntil, until: now + config.callReconnectMs }, now));
    }
  }

  /**
   * Handles a connected socket: pushes the calls that are ringing and restores the seat of a device without an id.
   *
   * @returns the ids of the calls that ring
   */
  connected({ userId, socketId, caps }: Caller): readonly string[] {
    const { broadcaster, devices } = this.#deps;
    const rung: string[] = [];
    if (socketId === undefined) return rung;
    for (const call of this.of(userId)) {
      const seat = seatOf(call, userId);
      if (answerOf(call, userId) === 'pending') {
        const { waiting, silent } = call.invitations.find((each) => each.userId === userId) ?? {};
        if (silent === true) continue;
        if (waiting === true && !caps.has('call-waiting')) continue;
        broadcaster.toSocket(socketId, { event: 'call:incoming', data: incomingCall(call, waiting) });
        rung.push(call.id);
        this.step(call, { type: 'ringing', userId });
        // A device with an id restores its seat by `call:sync`.
      } else if (seat?.away !== undefined && seat.deviceId === undefined) {
        this.step(call, { type: 'reconnected', userId, socketId: undefined, processId: devices.processId });
      }
    }
    return rung;
  }

  /** Handles a disconnected socket. If it was in a call, the device may reconnect within `callReconnectMs`. */
  disconnected({ userId, socketId }: Caller): void {
    const { devices, clock, config } = this.#deps;
    for (const call of this.of(userId)) {
      const seat = seatOf(call, userId);
      const gone = seat?.socketId === undefined ? !devices.isReachable(userId) : seat.socketId === socketId;
      if (seat === undefined || !gone) continue;
      this.step(call, { type: 'disconnected', userId, until: clock.now() + config.callReconnectMs });
    }
  }

  /** Returns whether the device that holds the seat is connected. */
  isConnected(seat: Seat): boolean {
    return this.#deps.devices.isSeatConnected(seat);
  }

  /** A callee doesn't wait as long as a participant for a caller whose device is disconnected. */
  #awaitCaller({ id, callerId }: CallRecord): void {
    const { clock, config } = this.#deps;
    const call = this.get(id);
    if (call === undefined || seatOf(call, callerId)?.away === undefined) return;
    const until = clock.now() + Math.min(CALLER_RETURN_MS, config.callReconnectMs);
    this.step(call, { type: 'disconnected', userId: callerId, until, reason: 'cancelled' });
  }

  /** Binds the seat to the socket and delivers the buffered signals before any newer one. */
  #move(call: CallRecord, { userId, socketId }: Caller): CallRecord {
    if (socketId === undefined) return call;
    const { ledger, broadcaster, devices } = this.#deps;
    this.step(call, { type: 'reconnected', userId, socketId, processId: devices.processId });
    ledger.unbuffer(call.id, userId, (push) => broadcaster.toSocket(socketId, push));
    return this.get(call.id) ?? call;
  }

  /** Applies an event if the call has not ended. */
  #stepLater(callId: string, event: CallEvent): void {
    const call = this.get(callId);
    if (call !== undefined) this.step(call, event);
  }

  #apply([call, effects]: CallTransition, before?: CallRecord): Call {
    const { ledger, config, changed } = this.#deps;
    if (call !== before) {
      ledger.put(call, deadlinesOf(call, config)[0]?.at);
      changed(call);
    }
    for (const effect of effects) this.#perform(call, effect);
    return toCall(call);
  }

  #perform(call: CallRecord, effect: CallEffect): void {
    const { broadcaster, ledger, log } = this.#deps;
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
        broadcaster.toUserWith(effect.userId, 'call-waiting', effect.push);
        break;
      case 'ended':
        for (const { userId } of call.seats) ledger.unbuffer(call.id, userId, () => undefined);
        log(call);
        break;
    }
  }
}

/** Returns whether the user's devices must not be told of the call. */
function isSilent({ invitations }: CallRecord, userId: string): boolean {
  return invitations.some((each) => each.userId === userId && each.silent === true && each.answer !== 'accepted');
}
