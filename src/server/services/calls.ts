import type {
  Call,
  CallMember,
  CallRef,
  CallSeat,
  ConnectionQualityReport,
  HangUp,
  InitiateCall,
  RespondToCall,
  SyncCall,
  ToggleMedia,
} from '../../protocol/calls.ts';
import { CommError } from '../../protocol/errors.ts';
import type { ResolvedConfig } from '../config.ts';
import type { CallRecord } from '../store/ephemera/call-record.ts';
import { toCall } from './call-effects.ts';
import { answerOf, isSeated, seatOf } from './call-rules.ts';
import { CallTable, type CallTableDeps } from './call-table.ts';
import type { Caller } from './ports.ts';

export interface CallDeps extends CallTableDeps {
  config: Pick<ResolvedConfig, 'ringTimeoutMs' | 'callReconnectMs' | 'maxCallParticipants' | 'maxVideoParticipants'>;
  newId: () => string;
  /** The people of a conversation the user is in; rejects with `NOT_FOUND` where they aren't. */
  membersFor(userId: string, conversationId: string): Promise<readonly string[]>;
}

/**
 * What people do with calls. Whoever has a seat is a member of the conversation, because losing the one is losing the
 * other ({@link lost}); before somebody takes a seat, membership is asked for.
 */
export class CallService {
  readonly table: CallTable;
  readonly #deps: CallDeps;

  constructor(deps: CallDeps) {
    this.#deps = deps;
    this.table = new CallTable(deps);
  }

  async initiate(caller: Caller, request: InitiateCall): Promise<Call> {
    const { conversationId, type, calleeIds: asked, clientId, deviceId, mediaEncryption } = request;
    const { userId, socketId } = caller;
    const members = new Set(await this.#deps.membersFor(userId, conversationId));
    const calleeIds = [...new Set(asked)].filter((id) => id !== userId);
    if (calleeIds.length === 0) throw new CommError('INVALID', 'A call needs somebody to call');
    if (!calleeIds.every((id) => members.has(id))) throw new CommError('NOT_FOUND', 'No such participant');
    const before = this.#askedBefore(caller, request);
    if (before !== undefined) return before;
    const theirs = this.table
      .of(userId)
      .find((call) => call.conversationId === conversationId && calleeIds.includes(call.callerId));
    // Both called each other at once: one call.
    if (theirs !== undefined && answerOf(theirs, userId) === 'pending') {
      const call = this.#accept(caller, theirs, request);
      this.table.requests.remember(userId, clientId, call.id);
      return call;
    }
    this.#requireFree(caller);
    const busy = new Set(calleeIds.filter((id) => this.table.of(id).length > 0));
    const id = this.#deps.newId();
    const device = { socketId, deviceId, mediaEncryption };
    return this.table.start({ id, clientId, conversationId, type, callerId: userId, calleeIds, busy, ...device });
  }

  async respond(caller: Caller, request: RespondToCall): Promise<Call> {
    const { userId, socketId } = caller;
    const { callId, action } = request;
    await this.#deps.membersFor(userId, this.#callOf(userId, callId).conversationId);
    const call = this.#callOf(userId, callId);
    if (action === 'accept') return this.#accept(caller, call, request);
    if (isSeated(call, userId)) throw new CommError('CONFLICT', 'You have already accepted');
    return this.table.step(call, { type: 'declined', userId, socketId });
  }

  /** Leaves; for somebody whom it rings for, declines. A caller who never learned the id names their own. */
  hangUp(caller: Caller, { callId, reason, detail }: HangUp): null {
    const { userId, socketId } = caller;
    const call = this.#callOf(userId, this.table.requests.callId(userId, callId) ?? callId);
    if (isSeated(call, userId)) {
      this.table.step(this.table.claim(call, caller), { type: 'left', userId, reason, detail });
    } else this.table.step(call, { type: 'declined', userId, socketId });
    return null;
  }

  /** @throws CommError `NOT_FOUND` also where it is over for the caller, whoever else goes on */
  sync(caller: Caller, { callId, deviceId }: SyncCall): Call {
    const call = this.#callOf(caller.userId, callId);
    if (isSeated(call, caller.userId)) return toCall(this.table.resume(call, caller, deviceId));
    if (answerOf(call, caller.userId) !== 'pending') throw noSuchCall();
    return toCall(call);
  }

  connected(caller: Caller, { callId }: CallRef): null {
    this.table.step(this.participating(caller, callId), { type: 'connected', userId: caller.userId });
    return null;
  }

  toggleMedia(caller: Caller, { callId, ...media }: ToggleMedia): null {
    this.table.step(this.participating(caller, callId), { type: 'toggled', userId: caller.userId, media });
    return null;
  }

  async addParticipant(caller: Caller, { callId, userId }: CallMember): Promise<Call> {
    const { conversationId } = this.participating(caller, callId);
    const members = await this.#deps.membersFor(caller.userId, conversationId);
    if (!members.includes(userId)) throw new CommError('NOT_FOUND', 'No such participant');
    const call = this.participating(caller, callId);
    if (isSeated(call, userId) || answerOf(call, userId) === 'pending') return toCall(call);
    if (this.table.of(userId).length > 0) throw new CommError('BUSY', 'They are in another call');
    const rung = call.invitations.filter(({ answer }) => answer === 'pending').length;
    this.#requireRoom(call, rung);
    return this.table.step(call, { type: 'invited', userId, reachable: this.table.isReachable(userId) });
  }

  removeParticipant(caller: Caller, { callId, userId }: CallMember): Call {
    const call = this.participating(caller, callId);
    if (caller.userId !== call.callerId) throw new CommError('FORBIDDEN', 'Only the caller removes people');
    if (userId === caller.userId) throw new CommError('INVALID', 'Hang up to leave');
    if (!isSeated(call, userId) && answerOf(call, userId) !== 'pending') {
      throw new CommError('NOT_FOUND', 'No such participant');
    }
    return this.table.step(call, { type: 'removed', userId });
  }

  reportQuality(caller: Caller, report: ConnectionQualityReport): null {
    const call = this.participating(caller, report.callId);
    requireHonest(caller, report.userId);
    const data = { ...report, userId: caller.userId };
    for (const seat of call.seats) {
      if (seat.userId !== caller.userId) this.table.tell(seat, { event: 'call:quality-changed', data });
    }
    return null;
  }

  /** The call, if the caller is in it on this device. */
  participating(caller: Caller, callId: string): CallRecord {
    const call = this.#callOf(caller.userId, callId);
    if (!isSeated(call, caller.userId)) throw new CommError('FORBIDDEN', 'You are not in this call');
    return this.table.claim(call, caller);
  }

  /** Somebody lost the conversation, and with it its calls. */
  lost(userId: string, conversationId: string): void {
    for (const call of this.table.of(userId)) {
      if (call.conversationId === conversationId) this.table.step(call, { type: 'removed', userId });
    }
  }

  #askedBefore(caller: Caller, { clientId, deviceId }: InitiateCall): Call | undefined {
    const callId = this.table.requests.callId(caller.userId, clientId);
    if (callId === undefined) return undefined;
    const call = this.table.get(callId);
    if (call === undefined) return this.table.requests.endedAs(callId);
    return toCall(this.table.resume(call, caller, deviceId));
  }

  #accept(caller: Caller, call: CallRecord, { deviceId, mediaEncryption }: CallSeat): Call {
    const { userId, socketId } = caller;
    if (isSeated(call, userId)) {
      const held = seatOf(call, userId)?.deviceId;
      const isSame = held !== undefined && held === deviceId;
      return toCall(isSame ? this.table.resume(call, caller, deviceId) : this.table.claim(call, caller));
    }
    if (answerOf(call, userId) === 'rejected') throw new CommError('CONFLICT', 'You have already declined');
    this.#requireFree(caller);
    this.#requireRoom(call);
    return this.table.step(call, { type: 'accepted', userId, socketId, deviceId, mediaEncryption });
  }

  /** Unknown and foreign ids are answered alike. */
  #callOf(userId: string, callId: string): CallRecord {
    const call = this.table.get(callId);
    const concerned = call !== undefined && (call.callerId === userId || answerOf(call, userId) !== undefined);
    if (!concerned) throw noSuchCall();
    return call;
  }

  /** A device that has gone takes no seat: nothing would ever free it. */
  #requireFree({ userId, socketId }: Caller): void {
    if (socketId !== undefined && !this.#deps.hub.isConnected(socketId)) {
      throw new CommError('UNAVAILABLE', 'The connection is gone');
    }
    this.table.leaveDeadSeats(userId);
    if (this.table.of(userId).some((call) => isSeated(call, userId))) throw new CommError('BUSY', 'You are in a call');
  }

  #requireRoom({ type, seats }: CallRecord, rung = 0): void {
    const { maxCallParticipants, maxVideoParticipants } = this.#deps.config;
    const most = type === 'video' ? Math.min(maxVideoParticipants, maxCallParticipants) : maxCallParticipants;
    if (seats.length + rung >= most) throw new CommError('BUSY', 'The call is full');
  }
}

/** Nothing said is as good as the truth: base clients leave it out. @throws CommError `FORBIDDEN` */
export function requireHonest({ userId }: Caller, said: string): void {
  if (said !== '' && said !== userId) throw new CommError('FORBIDDEN', 'Speak for yourself');
}

function noSuchCall(): CommError {
  return new CommError('NOT_FOUND', 'No such call');
}
