import type {
  Call,
  CallMember,
  CallRef,
  CallSeat,
  ConnectionQualityReport,
  HangUp,
  InitiateCall,
  JoinCall,
  RespondToCall,
  SyncCall,
  ToggleMedia,
} from '../../../protocol/calls.ts';
import type { CallType } from '../../../protocol/constants.ts';
import { CommError } from '../../../protocol/errors.ts';
import type { ResolvedConfig } from '../../config.ts';
import { toCall, toUnseatedCall, type CallRecord, type Seat } from '../../cluster/call-record.ts';
import { stateChanged } from './call-effects.ts';
import { participantNotFound, type CheckedInitiation } from './call-checks.ts';
import { answerOf, isSeated, seatOf } from './call-reducer.ts';
import { CallRegistry, type CallRegistryDeps } from './call-registry.ts';
import type { RelayedSignal } from './calls.ts';
import type { UserBudgets } from '../limits/user-budgets.ts';
import type { Caller } from '../ports.ts';

/** Calls in which a user may be at the same time: one of them on hold. */
const MAX_CALLS = 2;

/** Dependencies of {@link CallRules}. */
export interface CallRulesDeps extends CallRegistryDeps {
  config: Pick<ResolvedConfig, 'ringTimeoutMs' | 'callReconnectMs' | 'maxCallParticipants' | 'maxVideoParticipants'>;
  budgets: Pick<UserBudgets, 'chargeCall' | 'chargeInvitation'>;
  newId: () => string;
}

/**
 * Applies the rules of the call requests to a ledger, without waiting for anything. Membership is checked before a user takes a seat; {@link
 * memberRemoved} removes the seat together with the membership, so every participant is a member.
 */
export class CallRules {
  readonly registry: CallRegistry;
  readonly #deps: CallRulesDeps;

  constructor(deps: CallRulesDeps) {
    this.#deps = deps;
    this.registry = new CallRegistry(deps);
  }

  /**
   * Starts a call, or returns the call that the client id started before.
   *
   * @throws CommError `BUSY`, `UNAVAILABLE`
   */
  initiate(caller: Caller, request: InitiateCall, { calleeIds, silent }: CheckedInitiation): Call {
    const { conversationId, type, clientId } = request;
    const { userId, socketId } = caller;
    const { budgets, ledger } = this.#deps;
    const before = this.#repeatedRequest(caller, request);
    if (before !== undefined) return before;
    const theirs = this.registry
      .of(userId)
      .find((call) => call.conversationId === conversationId && calleeIds.includes(call.callerId));
    // Both called each other at the same time: join the existing call.
    if (theirs !== undefined && answerOf(theirs, userId) === 'pending') {
      const call = this.#accept(caller, theirs, request);
      ledger.remember(userId, clientId, call.id);
      return call;
    }
    this.#requireFree(caller);
    const seats = this.#seatsOf(type);
    if (calleeIds.length > seats) {
      throw new CommError('INVALID', `calleeIds must have at most ${seats} users in a call of type ${type}`);
    }
    budgets.chargeCall(caller, calleeIds);
    // Who has blocked the caller is never busy, which would show that they are online.
    const inCall = calleeIds.filter((id) => !silent.has(id) && this.#isInCall(id));
    const waiting = new Set(inCall.filter((id) => this.#ringsAsWaiting(caller, id)));
    const busy = new Set(inCall.filter((id) => !waiting.has(id)));
    const id = this.#deps.newId();
    const device = { socketId, ...seatOptions(request) };
    return this.registry.start({
      id,
      clientId,
      conversationId,
      type,
      callerId: userId,
      calleeIds,
      busy,
      waiting,
      silent,
      ...device,
    });
  }

  /**
   * Accepts or declines a call.
   *
   * @throws CommError `NOT_FOUND`, `CONFLICT`, `BUSY`
   */
  respond(caller: Caller, request: RespondToCall): Call {
    const { userId, socketId } = caller;
    const { callId, action } = request;
    const call = this.#callOf(userId, callId);
    if (action === 'accept') return this.#accept(caller, call, request);
    if (isSeated(call, userId)) throw new CommError('CONFLICT', 'The call is already accepted');
    return this.registry.step(call, { type: 'declined', userId, socketId });
  }

  /**
   * Joins the running call of a conversation. A seat of the caller moves to this device.
   *
   * @throws CommError `NOT_FOUND`, `BUSY`, `UNAVAILABLE`
   */
  join(caller: Caller, request: JoinCall): Call {
    const call = this.registry.ofConversation(request.conversationId);
    if (call === undefined) throw callNotFound();
    const seat = seatOf(call, caller.userId);
    if (seat === undefined) return this.#takeSeat(caller, call, request);
    return this.#isDeviceOf(seat, caller, request)
      ? toCall(this.registry.resume(call, caller, request.deviceId))
      : this.#replace(caller, call, request);
  }

  /**
   * Returns the conversation of a call that the user is concerned with.
   *
   * @throws CommError `NOT_FOUND`
   */
  conversationOf(userId: string, callId: string): string {
    return this.#callOf(userId, callId).conversationId;
  }

  /**
   * Leaves a call, or declines it if it is still ringing. A caller who never received the call id may pass the client
   * id.
   */
  hangUp(caller: Caller, { callId, reason, detail }: HangUp): null {
    const { userId, socketId } = caller;
    const call = this.#callOf(userId, this.#deps.ledger.startedBy(userId, callId) ?? callId);
    if (isSeated(call, userId)) {
      this.registry.step(this.registry.claim(call, caller), { type: 'left', userId, reason, detail });
      // A device that failed, for example without a microphone, doesn't decline for the user's other devices.
    } else if (reason !== 'failed') this.registry.step(call, { type: 'declined', userId, socketId });
    return null;
  }

  /**
   * Returns the call and resumes the caller's seat. A call that has ended, also one that has ended for the caller only, is
   * returned as `ended`, with the reason, for a minute after its end.
   *
   * @throws CommError `NOT_FOUND`
   */
  sync(caller: Caller, { callId, deviceId }: SyncCall): Call {
    const { userId } = caller;
    const { registry } = this;
    const call = requireConcerned(registry.get(callId) ?? this.#deps.ledger.ended(callId), userId);
    if (!isSeated(call, userId)) return toUnseatedCall(call, userId);
    return toCall(call.state === 'ended' ? call : registry.resume(call, caller, deviceId));
  }

  /** Ends a call on the devices of a user on which it rings although the user has answered or the call has ended. */
  endStaleRinging(userId: string, callId: string): void {
    const call = this.registry.get(callId) ?? this.#deps.ledger.ended(callId);
    const seat = call && seatOf(call, userId);
    // It isn't known which device is in the call, and that one must not be told.
    if (seat !== undefined && (seat.socketId === undefined || seat.away !== undefined)) return;
    const { state, endReason = 'cancelled', detail } = call ? toUnseatedCall(call, userId) : {};
    if (seat === undefined && state !== undefined && state !== 'ended') return;
    const push = stateChanged(callId, { state: 'ended', endReason, ...(detail !== undefined && { detail }) });
    this.#deps.broadcaster.toUser(userId, push, { exceptSocketId: seat?.socketId });
  }

  /** Records that media is flowing. */
  connected(caller: Caller, { callId }: CallRef): null {
    this.registry.step(this.participating(caller, callId), { type: 'connected', userId: caller.userId });
    return null;
  }

  /**
   * Changes the media state of the caller and tells the other participants.
   *
   * @throws CommError `BUSY` if too many participants send video, or to take up a call while in another one
   */
  toggleMedia(caller: Caller, { callId, ...media }: ToggleMedia): null {
    const { userId } = caller;
    const call = this.participating(caller, callId);
    if (media.video === true || media.screenShare === true) this.#requireVideoCapacity(call, userId);
    if (media.onHold === false) this.#requireOthersOnHold(userId, callId);
    this.registry.step(call, { type: 'toggled', userId, media });
    return null;
  }

  /**
   * Invites another member of the conversation. Idempotent.
   *
   * @param silent - whether the member has blocked the caller
   * @throws CommError `NOT_FOUND`, `BUSY`, `FORBIDDEN`
   */
  addParticipant(caller: Caller, { callId, userId }: CallMember, silent: boolean): Call {
    const call = this.participating(caller, callId);
    if (isSeated(call, userId) || answerOf(call, userId) === 'pending') return toCall(call);
    const waiting = !silent && this.#isInCall(userId);
    if (waiting && !this.#ringsAsWaiting(caller, userId)) throw new CommError('BUSY', 'The user is in another call');
    const rung = call.invitations.filter(({ answer }) => answer === 'pending').length;
    this.#requireCapacity(call, rung);
    this.#deps.budgets.chargeInvitation(caller, userId);
    const reachable = !silent && this.#deps.devices.isReachable(userId);
    return this.registry.step(call, { type: 'invited', userId, reachable, waiting, silent });
  }

  /**
   * Removes a user from the call. Only the caller of the call may.
   *
   * @throws CommError `FORBIDDEN`, `INVALID`, `NOT_FOUND`
   */
  removeParticipant(caller: Caller, { callId, userId }: CallMember): Call {
    const call = this.participating(caller, callId);
    if (caller.userId !== call.callerId) throw new CommError('FORBIDDEN', 'Only the caller may remove participants');
    if (userId === caller.userId)
      throw new CommError('INVALID', 'userId must not be your own; hang up to leave the call');
    if (!isSeated(call, userId) && answerOf(call, userId) !== 'pending') {
      throw participantNotFound();
    }
    return this.registry.step(call, { type: 'removed', userId });
  }

  /** Passes a quality report to the other participants. */
  reportQuality(caller: Caller, report: ConnectionQualityReport): null {
    const call = this.participating(caller, report.callId);
    requireOwnUserId(caller, report.userId);
    const data = { ...report, userId: caller.userId };
    for (const seat of call.seats) {
      if (seat.userId !== caller.userId) this.registry.pushToSeat(seat, { event: 'call:quality-changed', data });
    }
    return null;
  }

  /**
   * Pushes a signal to another participant, or buffers it while the participant's device is disconnected.
   *
   * @throws CommError `NOT_FOUND`, `FORBIDDEN`, `CONFLICT`, `UNAVAILABLE`
   */
  relay(caller: Caller, { callId, toUserId, toDeviceId, push }: RelayedSignal): null {
    const call = this.participating(caller, callId);
    const stamped = push(seatOf(call, caller.userId)?.deviceId);
    const seat = toUserId === caller.userId ? undefined : seatOf(call, toUserId);
    if (seat !== undefined && (toDeviceId ?? seat.deviceId) === seat.deviceId) {
      this.registry.relay(callId, seat, stamped);
      // A base client may send an offer while the call is still ringing.
    } else if (answerOf(call, toUserId) === 'pending') this.#deps.broadcaster.toUser(toUserId, stamped);
    else throw participantNotFound();
    return null;
  }

  /**
   * Returns a call in which this device of the caller participates.
   *
   * @throws CommError `NOT_FOUND`, `FORBIDDEN`, `CONFLICT` if another device participates
   */
  participating(caller: Caller, callId: string): CallRecord {
    const call = this.#callOf(caller.userId, callId);
    if (!isSeated(call, caller.userId)) throw new CommError('FORBIDDEN', 'You do not participate in this call');
    return this.registry.claim(call, caller);
  }

  /** Removes a user from the calls of a conversation that the user is no longer a member of. */
  memberRemoved(userId: string, conversationId: string): void {
    for (const call of this.registry.of(userId)) {
      if (call.conversationId === conversationId) this.registry.step(call, { type: 'removed', userId });
    }
  }

  #repeatedRequest(caller: Caller, { clientId, deviceId }: InitiateCall): Call | undefined {
    const { ledger } = this.#deps;
    const callId = ledger.startedBy(caller.userId, clientId);
    if (callId === undefined) return undefined;
    const call = this.registry.get(callId);
    if (call === undefined) {
      const ended = ledger.ended(callId);
      return ended && toCall(ended);
    }
    return toCall(this.registry.resume(call, caller, deviceId));
  }

  /** Of two devices that accept, the first one wins. A device that is gone gives its seat to the accepting one. */
  #accept(caller: Caller, call: CallRecord, request: CallSeat): Call {
    const seat = seatOf(call, caller.userId);
    if (seat !== undefined) {
      if (this.#isDeviceOf(seat, caller, request)) return toCall(this.registry.resume(call, caller, request.deviceId));
      if (this.registry.isConnected(seat)) throw new CommError('CONFLICT', 'The call is active on another device');
      return this.#replace(caller, call, request);
    }
    if (answerOf(call, caller.userId) === 'rejected') throw new CommError('CONFLICT', 'The call is already declined');
    return this.#takeSeat(caller, call, request);
  }

  #takeSeat(caller: Caller, call: CallRecord, request: CallSeat): Call {
    const { userId, socketId } = caller;
    this.#requireFree(caller);
    this.#requireCapacity(call);
    if (request.video === true) this.#requireVideoCapacity(call, userId);
    const { processId } = this.#deps.devices;
    return this.registry.step(call, { type: 'accepted', userId, socketId, processId, ...seatOptions(request) });
  }

  #replace(caller: Caller, call: CallRecord, request: CallSeat): Call {
    const { userId, socketId } = caller;
    this.#requireConnected(caller);
    // The new device takes the call up, also if the old one had put it on hold.
    if (seatOf(call, userId)?.onHold === true) this.#requireOthersOnHold(userId, call.id);
    const { processId } = this.#deps.devices;
    return this.registry.step(call, { type: 'replaced', userId, socketId, processId, ...seatOptions(request) });
  }

  /** A user takes part in one call at a time. @throws CommError `BUSY` */
  #requireOthersOnHold(userId: string, callId: string): void {
    if (this.#otherSeats(userId, callId).every(({ onHold }) => onHold === true)) return;
    throw new CommError('BUSY', 'You are in another call; put it on hold first');
  }

  #isDeviceOf({ deviceId, socketId }: Seat, caller: Caller, request: CallSeat): boolean {
    return deviceId === undefined ? socketId === caller.socketId : deviceId === request.deviceId;
  }

  #callOf(userId: string, callId: string): CallRecord {
    return requireConcerned(this.registry.get(callId), userId);
  }

  /**
   * Throws if the caller is in another call or its socket is gone.
   */
  #requireFree(caller: Caller): void {
    const { userId } = caller;
    this.#requireConnected(caller);
    this.registry.releaseDisconnectedSeats(userId);
    const seats = this.#otherSeats(userId);
    if (seats.some(({ onHold }) => onHold !== true)) throw new CommError('BUSY', 'You are in another call');
    if (seats.length >= MAX_CALLS) throw new CommError('BUSY', 'You have another call on hold');
  }

  /** Both sides must know waiting calls, and the callee must have room for another one. */
  #ringsAsWaiting({ caps }: Caller, userId: string): boolean {
    const hasRoom = this.#otherSeats(userId).length < MAX_CALLS;
    return caps.has('call-waiting') && hasRoom && this.#deps.devices.showsWaiting(userId);
  }

  #otherSeats(userId: string, exceptCallId?: string): Seat[] {
    const calls = this.registry.of(userId).filter(({ id }) => id !== exceptCallId);
    return calls.map((call) => seatOf(call, userId)).filter((seat) => seat !== undefined);
  }

  /** In a mesh each participant with video sends it to all others. */
  #requireVideoCapacity({ seats }: CallRecord, userId: string): void {
    const senders = seats.filter((each) => each.userId !== userId && (!each.videoMuted || each.screenSharing));
    const { maxVideoParticipants } = this.#deps.config;
    if (senders.length < maxVideoParticipants) return;
    throw new CommError('BUSY', `At most ${maxVideoParticipants} participants may send video`);
  }

  /** A seat of a closed socket would never be released. */
  #requireConnected({ socketId }: Caller): void {
    if (socketId !== undefined && !this.#deps.devices.isConnected(socketId)) {
      throw new CommError('UNAVAILABLE', 'The connection is closed');
    }
  }

  /** A call that only rings doesn't make the user busy: otherwise any caller could keep the user's friends out. */
  #isInCall(userId: string): boolean {
    return this.registry.of(userId).some((call) => isSeated(call, userId));
  }

  #requireCapacity({ type, seats }: CallRecord, rung = 0): void {
    if (seats.length + rung >= this.#seatsOf(type)) throw new CommError('BUSY', 'The call is full');
  }

  #seatsOf(type: CallType): number {
    const { maxCallParticipants, maxVideoParticipants } = this.#deps.config;
    return type === 'video' ? Math.min(maxVideoParticipants, maxCallParticipants) : maxCallParticipants;
  }
}

/**
 * Requires that a user id in a payload is the sender's own. Base clients send an empty one. @throws CommError
 * `FORBIDDEN`
 */
export function requireOwnUserId({ userId }: Caller, claimedUserId: string): void {
  if (claimedUserId !== '' && claimedUserId !== userId)
    throw new CommError('FORBIDDEN', 'fromUserId and userId must be your own');
}

function seatOptions({ deviceId, mediaEncryption, audio, video }: CallSeat): CallSeat {
  return { deviceId, mediaEncryption, audio, video };
}

/** An unknown call and a call of other users return the same error. */
function requireConcerned(call: CallRecord | undefined, userId: string): CallRecord {
  const isConcerned = call !== undefined && (call.callerId === userId || answerOf(call, userId) !== undefined);
  if (!isConcerned) throw callNotFound();
  return call;
}

function callNotFound(): CommError {
  return new CommError('NOT_FOUND', 'Call not found');
}
