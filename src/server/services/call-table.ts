import type { Clock } from '../../lib/clock.ts';
import type { Call } from '../../protocol/calls.ts';
import { CommError } from '../../protocol/errors.ts';
import type { Push } from '../../protocol/events.ts';
import type { ResolvedConfig } from '../config.ts';
import type { CallRecord, Seat } from '../store/ephemera/call-record.ts';
import type { CommunicationStore } from '../store/ephemera/memory.ts';
import { toCall, type CallEffect } from './call-effects.ts';
import { answerOf, seatOf, startCall, stepCall, type CallEvent, type CallStep, type NewCall } from './call-rules.ts';
import { CallRequests } from './call-requests.ts';
import { HeldSignals } from './held-signals.ts';
import { KeyedTimers } from './keyed-timers.ts';
import type { Caller, Hub } from './ports.ts';

export interface CallHub extends Pick<Hub, 'toUser' | 'toSocket'> {
  isConnected(socketId: string): boolean;
}

export interface CallTableDeps {
  ephemera: Pick<CommunicationStore, 'getCall' | 'setCall' | 'removeCall' | 'getCallsForUser' | 'isUserOnline'>;
  hub: CallHub;
  clock: Clock;
  config: Pick<ResolvedConfig, 'ringTimeoutMs' | 'callReconnectMs'>;
  /** Writes the row that a call leaves. Not waited for; it doesn't reject. */
  log: (call: CallRecord) => void;
}

/**
 * The calls there are, their timers, and which devices are in them. Between reading a call and storing it again nothing
 * is awaited: of two devices that answer, one is first.
 */
export class CallTable {
  readonly #deps: CallTableDeps;
  /** By call and user: until it stops ringing for them, and until they have left because their device has gone. */
  readonly #ringing: KeyedTimers;
  readonly #vanishing: KeyedTimers;
  readonly #held = new HeldSignals();
  readonly requests: CallRequests;

  constructor(deps: CallTableDeps) {
    this.#deps = deps;
    this.#ringing = new KeyedTimers(deps.clock);
    this.#vanishing = new KeyedTimers(deps.clock);
    this.requests = new CallRequests(deps.clock);
  }

  get(callId: string): CallRecord | undefined {
    return this.#deps.ephemera.getCall(callId);
  }

  /** Those that somebody is in, or that ring for them. */
  of(userId: string): readonly CallRecord[] {
    return this.#deps.ephemera.getCallsForUser(userId);
  }

  start(call: Omit<NewCall, 'at' | 'reachable'>): Call {
    const reachable = new Set(call.calleeIds.filter((id) => this.isReachable(id)));
    this.requests.remember(call.callerId, call.clientId, call.id);
    return this.#apply(startCall({ ...call, reachable, at: this.#deps.clock.now() }));
  }

  step(call: CallRecord, event: CallEvent): Call {
    const { type, userId } = event;
    if (type === 'left' || type === 'removed' || type === 'accepted') this.#settled(call.id, userId);
    return this.#apply(stepCall(call, event, this.#deps.clock.now()));
  }

  /** To the device that is in the call; to all of them while it isn't known which one came back. */
  tell({ userId, socketId }: Pick<Seat, 'userId' | 'socketId'>, push: Push): void {
    if (socketId === undefined) this.#deps.hub.toUser(userId, push);
    else this.#deps.hub.toSocket(socketId, push);
  }

  /**
   * As `tell`; for a device that has lost its socket it is held until it is back.
   *
   * @throws CommError `UNAVAILABLE` where no more is held
   */
  relay(callId: string, seat: Seat, push: Push): void {
    const at = key(callId, seat.userId);
    if (seat.deviceId === undefined || !this.#vanishing.has(at)) return this.tell(seat, push);
    if (this.#held.add(at, push)) return;
    throw new CommError('UNAVAILABLE', 'Their device is away', { retryAfterMs: 1_000 });
  }

  /**
   * A device that says which one it is goes on in its seat, also where its old socket still seems to stand. One without a
   * name may be any of the user's: it does so only where nobody else can be meant.
   */
  resume(call: CallRecord, caller: Caller, deviceId: string | undefined): CallRecord {
    const seat = seatOf(call, caller.userId);
    if (seat === undefined || seat.deviceId !== deviceId) return call;
    return deviceId === undefined && this.#isHeld(seat) ? call : this.#move(call, caller);
  }

  isReachable(userId: string): boolean {
    return this.#deps.ephemera.isUserOnline(userId);
  }

  /**
   * The caller's seat belongs to this device from now on.
   *
   * @throws CommError `CONFLICT` where another device holds it
   */
  claim(call: CallRecord, caller: Caller): CallRecord {
    const seat = seatOf(call, caller.userId);
    if (seat === undefined || caller.socketId === undefined || seat.socketId === caller.socketId) return call;
    if (this.#isHeld(seat)) throw new CommError('CONFLICT', 'The call is on another device');
    return this.#move(call, caller);
  }

  /** Somebody whose device has gone and who calls or answers anew has given that call up. */
  leaveDeadSeats(userId: string): void {
    for (const call of this.of(userId)) {
      const seat = seatOf(call, userId);
      if (seat !== undefined && !this.#isHeld(seat)) this.step(call, { type: 'left', userId });
    }
  }

  /** A device came: it hears what rings for its user, and may be the one that had gone. */
  connected({ userId, socketId }: Caller): void {
    if (socketId === undefined) return;
    for (const call of this.of(userId)) {
      if (answerOf(call, userId) === 'pending') {
        this.#deps.hub.toSocket(socketId, { event: 'call:incoming', data: toCall(call) });
        this.step(call, { type: 'rung', userId });
        // One that has a name says by it whether it is the one that had gone.
      } else if (call.seats.some((seat) => seat.userId === userId && seat.deviceId !== undefined)) {
        continue;
      } else if (this.#vanishing.cancel(key(call.id, userId))) {
        this.step(call, { type: 'moved', userId, socketId: undefined });
      }
    }
  }

  /** A device went. If it was in a call, it has a while to come back. */
  disconnected({ userId, socketId }: Caller): void {
    const { ephemera, config } = this.#deps;
    for (const call of this.of(userId)) {
      const seat = seatOf(call, userId);
      const gone = seat?.socketId === undefined ? !ephemera.isUserOnline(userId) : seat.socketId === socketId;
      if (seat === undefined || !gone) continue;
      const { id } = call;
      this.#vanishing.set(key(id, userId), config.callReconnectMs, () => this.#late(id, { type: 'left', userId }));
    }
  }

  close(): void {
    this.#ringing.clear();
    this.#vanishing.clear();
    this.requests.close();
  }

  /** From now on the seat is this device's, and so is what was held for it: before anything newer. */
  #move(call: CallRecord, { userId, socketId }: Caller): CallRecord {
    if (socketId === undefined) return call;
    const at = key(call.id, userId);
    this.#vanishing.cancel(at);
    this.step(call, { type: 'moved', userId, socketId });
    for (const push of this.#held.take(at)) this.#deps.hub.toSocket(socketId, push);
    return this.get(call.id) ?? call;
  }

  #settled(callId: string, userId: string): void {
    this.#vanishing.cancel(key(callId, userId));
    this.#held.take(key(callId, userId));
  }

  #isHeld({ socketId }: Seat): boolean {
    return socketId !== undefined && this.#deps.hub.isConnected(socketId);
  }

  /** What a timer brings about, if the call is still there. */
  #late(callId: string, event: CallEvent): void {
    const call = this.get(callId);
    if (call !== undefined) this.step(call, event);
  }

  #apply([call, effects]: CallStep): Call {
    if (call.state === 'ended') this.#deps.ephemera.removeCall(call.id);
    else this.#deps.ephemera.setCall(call);
    for (const effect of effects) this.#perform(call, effect);
    return toCall(call);
  }

  #perform(call: CallRecord, effect: CallEffect): void {
    const { hub, config, log } = this.#deps;
    switch (effect.type) {
      case 'tell':
        this.tell(effect.seat, effect.push);
        break;
      case 'tell-user':
        hub.toUser(effect.userId, effect.push, { exceptSocketId: effect.exceptSocketId });
        break;
      case 'ring': {
        const { userId } = effect;
        const unanswered = (): void => this.#late(call.id, { type: 'unanswered', userId });
        this.#ringing.set(key(call.id, userId), config.ringTimeoutMs, unanswered);
        break;
      }
      case 'stop-ringing':
        this.#ringing.cancel(key(call.id, effect.userId));
        break;
      case 'over':
        for (const { userId } of call.seats) this.#settled(call.id, userId);
        this.requests.over(toCall(call));
        log(call);
        break;
    }
  }
}

function key(callId: string, userId: string): string {
  return JSON.stringify([callId, userId]);
}
