import type { Clock } from '../../lib/clock.ts';
import type {
  Call,
  CallMember,
  ConnectionQualityReport,
  HangUp,
  InitiateCall,
  RespondToCall,
  ToggleMedia,
} from '../../protocol/calls.ts';
import { CommError } from '../../protocol/errors.ts';
import type { Push } from '../../protocol/events.ts';
import type { ResolvedConfig } from '../config.ts';
import type { CallRecord, Seat } from '../store/ephemera/call-record.ts';
import type { CommunicationStore } from '../store/ephemera/memory.ts';
import { toCall, type CallEffect } from './call-effects.ts';
import { answerOf, isSeated, startCall, stepCall, type CallEvent, type CallStep } from './call-rules.ts';
import { KeyedTimers } from './keyed-timers.ts';
import type { Caller, Hub } from './ports.ts';

export interface CallHub extends Pick<Hub, 'toUser' | 'toSocket'> {
  isConnected(socketId: string): boolean;
}

export interface CallDeps {
  ephemera: Pick<
    CommunicationStore,
    'getCall' | 'setCall' | 'removeCall' | 'getActiveCallForUser' | 'getCallsForUser' | 'isUserOnline'
  >;
  hub: CallHub;
  clock: Clock;
  config: Pick<ResolvedConfig, 'ringTimeoutMs' | 'callReconnectMs' | 'maxCallParticipants'>;
  newId: () => string;
  /** The people of a conversation the user is in; rejects with `NOT_FOUND` where they aren't. */
  membersFor(userId: string, conversationId: string): Promise<readonly string[]>;
  /** Writes the row that a call leaves. Not waited for; it doesn't reject. */
  log(call: CallRecord): void;
}

/**
 * Who is in which call, on which device. Between reading a call and storing it again nothing is awaited: of two devices
 * that accept, one is first.
 */
export class CallService {
  readonly #deps: CallDeps;
  /** By call and user: until it stops ringing for them, and until they have left because their device has gone. */
  readonly #ringing: KeyedTimers;
  readonly #vanishing: KeyedTimers;

  constructor(deps: CallDeps) {
    this.#deps = deps;
    this.#ringing = new KeyedTimers(deps.clock);
    this.#vanishing = new KeyedTimers(deps.clock);
  }

  async initiate(caller: Caller, { conversationId, type, calleeIds: asked }: InitiateCall): Promise<Call> {
    const { ephemera, clock, newId } = this.#deps;
    const { userId, socketId } = caller;
    const members = new Set(await this.#deps.membersFor(userId, conversationId));
    if (socketId !== undefined && !this.#deps.hub.isConnected(socketId)) {
      throw new CommError('UNAVAILABLE', 'The connection is gone');
    }
    const calleeIds = [...new Set(asked)].filter((id) => id !== userId);
    if (calleeIds.length === 0) throw new CommError('INVALID', 'A call needs somebody to call');
    if (!calleeIds.every((id) => members.has(id))) throw new CommError('NOT_FOUND', 'No such participant');
    this.#leaveDeadSeat(userId);
    const theirs = ephemera
      .getCallsForUser(userId)
      .find((call) => call.conversationId === conversationId && calleeIds.includes(call.callerId));
    // Both called each other at once: one call.
    if (theirs !== undefined && answerOf(theirs, userId) === 'pending') return this.#accept(caller, theirs);
    this.#requireFree(userId);
    const busy = new Set(calleeIds.filter((id) => ephemera.getActiveCallForUser(id) !== undefined));
    const at = clock.now();
    return this.#apply(
      startCall({ id: newId(), conversationId, type, callerId: userId, socketId, calleeIds, busy, at }),
    );
  }

  respond(caller: Caller, { callId, action }: RespondToCall): Call {
    const call = this.#callOf(caller.userId, callId);
    if (action === 'accept') return this.#accept(caller, call);
    if (isSeated(call, caller.userId)) throw new CommError('CONFLICT', 'You have already accepted');
    const { userId, socketId } = caller;
    return this.#step(call, { type: 'declined', userId, socketId, at: this.#deps.clock.now() });
  }

  hangUp(caller: Caller, { callId, reason }: HangUp): null {
    const { userId, socketId } = caller;
    const call = this.#callOf(userId, callId);
    const at = this.#deps.clock.now();
    if (isSeated(call, userId)) this.#step(this.#claim(call, caller), { type: 'left', userId, reason, at });
    else this.#step(call, { type: 'declined', userId, socketId, at });
    return null;
  }

  toggleMedia(caller: Caller, { callId, ...media }: ToggleMedia): null {
    this.#step(this.participating(caller, callId), { type: 'toggled', userId: caller.userId, media });
    return null;
  }

  async addParticipant(caller: Caller, { callId, userId }: CallMember): Promise<Call> {
    const { conversationId } = this.participating(caller, callId);
    const members = await this.#deps.membersFor(caller.userId, conversationId);
    if (!members.includes(userId)) throw new CommError('NOT_FOUND', 'No such participant');
    const call = this.participating(caller, callId);
    if (isSeated(call, userId) || answerOf(call, userId) === 'pending') return toCall(call);
    if (this.#deps.ephemera.getActiveCallForUser(userId) !== undefined) {
      throw new CommError('BUSY', 'They are in another call');
    }
    const rung = call.invitations.filter(({ answer }) => answer === 'pending').length;
    if (call.seats.length + rung >= this.#deps.config.maxCallParticipants) throw full();
    return this.#step(call, { type: 'invited', userId, busy: false, at: this.#deps.clock.now() });
  }

  removeParticipant(caller: Caller, { callId, userId }: CallMember): Call {
    const call = this.participating(caller, callId);
    if (caller.userId !== call.callerId) throw new CommError('FORBIDDEN', 'Only the caller removes people');
    if (userId === caller.userId) throw new CommError('INVALID', 'Hang up to leave');
    if (!isSeated(call, userId) && answerOf(call, userId) !== 'pending') {
      throw new CommError('NOT_FOUND', 'No such participant');
    }
    return this.#step(call, { type: 'removed', userId, at: this.#deps.clock.now() });
  }

  reportQuality(caller: Caller, report: ConnectionQualityReport): null {
    const call = this.participating(caller, report.callId);
    const data = { ...report, userId: caller.userId };
    for (const seat of call.seats) {
      if (seat.userId !== caller.userId) this.tell(seat, { event: 'call:quality-changed', data });
    }
    return null;
  }

  /** The call, if the caller is in it on this device. */
  participating(caller: Caller, callId: string): CallRecord {
    const call = this.#callOf(caller.userId, callId);
    if (!isSeated(call, caller.userId)) throw new CommError('FORBIDDEN', 'You are not in this call');
    return this.#claim(call, caller);
  }

  /** To the device that is in the call; to all of them while it isn't known which one came back. */
  tell({ userId, socketId }: Pick<Seat, 'userId' | 'socketId'>, push: Push): void {
    if (socketId === undefined) this.#deps.hub.toUser(userId, push);
    else this.#deps.hub.toSocket(socketId, push);
  }

  /** A device came: it hears what rings for its user, and may be the one that had gone. */
  connected({ userId, socketId }: Caller): void {
    if (socketId === undefined) return;
    for (const call of this.#deps.ephemera.getCallsForUser(userId)) {
      if (answerOf(call, userId) === 'pending') {
        this.#deps.hub.toSocket(socketId, { event: 'call:incoming', data: toCall(call) });
      } else if (this.#vanishing.cancel(key(call.id, userId))) {
        this.#step(call, { type: 'moved', userId, socketId: undefined });
      }
    }
  }

  /** A device went. If it was in a call, it has a while to come back. */
  disconnected({ userId, socketId }: Caller): void {
    const { ephemera, config } = this.#deps;
    for (const call of ephemera.getCallsForUser(userId)) {
      const seat = call.seats.find((each) => each.userId === userId);
      const gone = seat?.socketId === undefined ? !ephemera.isUserOnline(userId) : seat.socketId === socketId;
      if (seat === undefined || !gone) continue;
      this.#vanishing.set(key(call.id, userId), config.callReconnectMs, () => this.#leave(call.id, userId));
    }
  }

  /** Somebody lost the conversation, and with it its calls. */
  lost(userId: string, conversationId: string): void {
    for (const call of this.#deps.ephemera.getCallsForUser(userId)) {
      if (call.conversationId === conversationId) {
        this.#step(call, { type: 'removed', userId, at: this.#deps.clock.now() });
      }
    }
  }

  close(): void {
    this.#ringing.clear();
    this.#vanishing.clear();
  }

  #accept(caller: Caller, call: CallRecord): Call {
    const { userId, socketId } = caller;
    if (isSeated(call, userId)) return toCall(this.#claim(call, caller));
    if (answerOf(call, userId) === 'rejected') throw new CommError('CONFLICT', 'You have already declined');
    this.#leaveDeadSeat(userId);
    this.#requireFree(userId);
    if (call.seats.length >= this.#deps.config.maxCallParticipants) throw full();
    return this.#step(call, { type: 'accepted', userId, socketId, at: this.#deps.clock.now() });
  }

  /** Unknown and foreign ids are answered alike. */
  #callOf(userId: string, callId: string): CallRecord {
    const call = this.#deps.ephemera.getCall(callId);
    const concerned = call !== undefined && (call.callerId === userId || answerOf(call, userId) !== undefined);
    if (!concerned) throw new CommError('NOT_FOUND', 'No such call');
    return call;
  }

  /** The caller's seat belongs to this device from now on, unless another one holds it. */
  #claim(call: CallRecord, { userId, socketId }: Caller): CallRecord {
    const seat = call.seats.find((each) => each.userId === userId);
    if (seat === undefined || socketId === undefined || seat.socketId === socketId) return call;
    if (seat.socketId !== undefined && this.#deps.hub.isConnected(seat.socketId)) {
      throw new CommError('CONFLICT', 'The call is on another device');
    }
    this.#vanishing.cancel(key(call.id, userId));
    const [moved] = stepCall(call, { type: 'moved', userId, socketId });
    this.#deps.ephemera.setCall(moved);
    return moved;
  }

  /** Somebody whose device has gone and who calls or answers anew has given that call up. */
  #leaveDeadSeat(userId: string): void {
    for (const call of this.#deps.ephemera.getCallsForUser(userId)) {
      const seat = call.seats.find((each) => each.userId === userId);
      const dead = seat !== undefined && (seat.socketId === undefined || !this.#deps.hub.isConnected(seat.socketId));
      if (!dead) continue;
      this.#vanishing.cancel(key(call.id, userId));
      this.#leave(call.id, userId);
    }
  }

  #requireFree(userId: string): void {
    const seated = this.#deps.ephemera.getCallsForUser(userId).some((call) => isSeated(call, userId));
    if (seated) throw new CommError('BUSY', 'You are in a call');
  }

  #leave(callId: string, userId: string): void {
    const call = this.#deps.ephemera.getCall(callId);
    if (call !== undefined) this.#step(call, { type: 'left', userId, at: this.#deps.clock.now() });
  }

  #stopRinging(callId: string, userId: string): void {
    const call = this.#deps.ephemera.getCall(callId);
    if (call !== undefined) this.#step(call, { type: 'unanswered', userId, at: this.#deps.clock.now() });
  }

  #step(call: CallRecord, event: CallEvent): Call {
    return this.#apply(stepCall(call, event));
  }

  #apply([call, effects]: CallStep): Call {
    if (call.state === 'ended') this.#deps.ephemera.removeCall(call.id);
    else this.#deps.ephemera.setCall(call);
    for (const effect of effects) this.#perform(call, effect);
    return toCall(call);
  }

  #perform(call: CallRecord, effect: CallEffect): void {
    switch (effect.type) {
      case 'tell':
        this.tell(effect.seat, effect.push);
        break;
      case 'tell-user':
        this.#deps.hub.toUser(effect.userId, effect.push, { exceptSocketId: effect.exceptSocketId });
        break;
      case 'ring':
        this.#ringing.set(key(call.id, effect.userId), this.#deps.config.ringTimeoutMs, () => {
          this.#stopRinging(call.id, effect.userId);
        });
        break;
      case 'stop-ringing':
        this.#ringing.cancel(key(call.id, effect.userId));
        break;
      case 'over':
        for (const { userId } of call.seats) this.#vanishing.cancel(key(call.id, userId));
        this.#deps.log(call);
        break;
    }
  }
}

function key(callId: string, userId: string): string {
  return JSON.stringify([callId, userId]);
}

function full(): CommError {
  return new CommError('BUSY', 'The call is full');
}
