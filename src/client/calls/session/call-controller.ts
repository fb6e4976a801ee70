import { deferred, type Deferred } from '../../../lib/deferred.ts';
import { Emitter } from '../../../lib/emitter.ts';
import { KeyedTimers } from '../../../lib/keyed-timers.ts';
import { ObservableValue, type Observable } from '../../../lib/observable.ts';
import { isSameSnapshot } from '../../../lib/same-snapshot.ts';
import type { Call } from '../../../protocol/calls.ts';
import { CommError, isCommError } from '../../../protocol/errors.ts';
import type { CallEndReason } from '../../../protocol/constants.ts';
import { requireId } from '../../validation.ts';
import { NO_MEDIA, type SessionMedia } from '../media/session-media.ts';
import type { CallPush } from '../signaling/parse-call-push.ts';
import { SignalingClient } from '../signaling/signaling-client.ts';
import type { LocalMedia } from '../webrtc/media-backend.ts';
import { countTimers } from '../webrtc/resource-counters.ts';
import {
  CALL_TIMERS,
  eventOfError,
  isRingingHere,
  NEW_CALL,
  startErrorOf,
  stepCall,
  type CallEffect,
  type CallEvent,
  type CallMachine,
  type CallTimer,
} from './call-machine.ts';
import type { CallHold } from './call-hold.ts';
import type { CallDetails, CallHost } from './call-host.ts';
import type { CallSessionEvents, CallSnapshot, JoinMedia } from './call-types.ts';
import { MediaController } from './media-controller.ts';
import { Participants } from './participants.ts';

/** Runs one call: feeds pushes, replies and user actions to the call machine, and performs its effects. */
export class CallController {
  readonly snapshot: Observable<CallSnapshot>;
  readonly events: Emitter<CallSessionEvents>;
  /** Resolves with the reason when the call has ended. */
  readonly ended: Promise<CallEndReason>;
  /** Aborted when the call ends. */
  readonly signal: AbortSignal;
  readonly #host: CallHost;
  readonly #signaling: SignalingClient;
  readonly #view: ObservableValue<CallSnapshot>;
  readonly #ended: Deferred<CallEndReason> = deferred();
  readonly #end = new AbortController();
  readonly #participants: Participants;
  readonly #timers: KeyedTimers<CallTimer>;
  readonly #media: MediaController;
  #started: Deferred<void> = deferred();
  #details: CallDetails;
  #machine = NEW_CALL;
  #hold: CallHold | undefined;
  #pendingReplies = 0;
  #answeredAt: string | undefined;
  #error: unknown;

  constructor(host: CallHost, details: CallDetails) {
    const { context, deviceId } = host;
    this.#host = host;
    this.#details = details;
    this.#signaling = new SignalingClient({
      context,
      deviceId,
      mediaState: () => this.#participants.localState,
      supportsFrameEncryption: () => this.#media.loadKeyProvider(),
      onSettled: () => host.onSettled(),
    });
    this.events = new Emitter<CallSessionEvents>(context.report);
    this.#timers = new KeyedTimers(countTimers(context.clock));
    this.#participants = new Participants(
      {
        context,
        isJoined: () => this.#machine.hasJoined && !this.isEnded,
        media: () => this.#media.current,
        isOnHold: () => this.isOnHold,
        sendMediaState: (changed) => this.#signaling.sendMediaState(changed),
        onChanged: () => this.#updateSnapshot(),
      },
      { audioMuted: false, videoMuted: details.type !== 'video', screenSharing: false },
    );
    this.#media = new MediaController(host, {
      signaling: this.#signaling,
      participants: this.#participants,
      events: this.events,
      signal: this.#end.signal,
      callType: () => this.#details.type,
      isIncoming: () => this.#machine.direction === 'incoming',
      step: (event) => this.#step(event),
      onFailed: (error) => this.#mediaFailed(error),
      onChanged: () => this.#updateSnapshot(),
    });
    this.#view = new ObservableValue(this.#createSnapshot(), context.report);
    this.snapshot = this.#view;
    this.ended = this.#ended.promise;
    this.signal = this.#end.signal;
  }

  /** The id of the call, or an empty string before the server assigned it. */
  get id(): string {
    return this.#signaling.callId;
  }

  get details(): CallDetails {
    return this.#details;
  }

  get machine(): CallMachine {
    return this.#machine;
  }

  /** Resolves when an outgoing call has an id, or the server confirmed the acceptance of an incoming call. */
  get started(): Promise<void> {
    return this.#started.promise;
  }

  /** The media while the call has not ended; `undefined` before it was accepted. */
  get media(): SessionMedia | undefined {
    return this.isEnded ? undefined : this.#media.current;
  }

  get isEnded(): boolean {
    return this.#machine.state === 'ended';
  }

  /** True while this device has put the call on hold. */
  get isOnHold(): boolean {
    return this.#hold?.isOnHold === true;
  }

  /** True while a request is pending whose reply contains the state of the call. Pushes are queued meanwhile. */
  get awaitsReply(): boolean {
    return this.#pendingReplies > 0;
  }

  /** True while the call is being initiated and its id is unknown. */
  get awaitsId(): boolean {
    return this.#signaling.awaitsCallId;
  }

  /** True while a rejection or hang-up still has to reach the server. */
  get hasFinalRequest(): boolean {
    return this.#signaling.hasFinalRequest;
  }

  // Actions of the user

  /** Starts an outgoing call, or joins the running call of the conversation. Resolves as `started`. */
  async open(event: 'start' | 'join', media: JoinMedia): Promise<void> {
    this.#open(event, media);
    await this.started;
  }

  /** Accepts an incoming call. */
  async accept(media: JoinMedia): Promise<void> {
    if (isRingingHere(this.#machine)) {
      this.#host.platform.assertSupported();
      this.#host.assertNotBusy();
      // An earlier attempt may have failed.
      this.#started = deferred();
      this.#open('accept', media);
    } else if (this.#machine.direction === 'outgoing') throw new TypeError('accept() requires an incoming call');
    await this.started;
  }

  /** Rejects a ringing call. */
  reject(): void {
    this.#step({ type: 'reject' });
  }

  /** Leaves, cancels or rejects the call. */
  hangUp(): void {
    this.#step({ type: 'hang-up' });
  }

  /** Hangs up; a call that only rings here continues to ring on other devices. */
  leave(): void {
    this.#step({ type: isRingingHere(this.#machine) ? 'not-found' : 'hang-up' });
  }

  /** Adds or removes a participant. */
  async changeParticipant(name: 'call:add-participant' | 'call:remove-participant', userId: string): Promise<void> {
    requireId('userId', userId);
    this.#assertNotEnded();
    await this.#signaling.changeParticipant(name, userId);
  }

  /** Returns the media. @throws CommError `NOT_FOUND` after the call, `CONFLICT` before it was accepted */
  requireMedia(): SessionMedia {
    this.#assertNotEnded();
    if (this.#media.current !== undefined) return this.#media.current;
    throw new CommError('CONFLICT', 'The call has not been accepted', { fix: 'Call `accept()` first.' });
  }

  /** The devices to control. While the call is on hold, that takes effect when it is taken up. @throws CommError */
  get devices(): Pick<LocalMedia, 'setEnabled' | 'shareScreen'> {
    const { local } = this.requireMedia();
    return this.#hold?.isOnHold ? this.#hold : local;
  }

  /** Puts the call on hold, or takes it up and puts the active call on hold. */
  async setHold(on: boolean): Promise<void> {
    const { CallHold: Hold } = await import('./call-hold.ts');
    this.#hold ??= new Hold({
      controller: this,
      signaling: this.#signaling,
      host: this.#host,
      onChanged: () => this.#participants.localMediaChanged(),
    });
    await this.#hold.set(on);
  }

  // Events of the server and the network

  /** The server calls this device. */
  ring(call: Call): void {
    this.#signaling.setCallId(call.id);
    this.#participants.replace(call.participants);
    this.#step({ type: 'incoming' });
  }

  /** The server assigned an id to this outgoing call. */
  onInitiated(callId: string): void {
    this.#signaling.setCallId(callId);
    if (this.isEnded) return;
    const { supportsDevices } = this.#signaling;
    if (!supportsDevices) this.#participants.addSelf();
    this.#step({ type: 'initiated', assumeRinging: !supportsDevices });
    if (!supportsDevices) this.#started.resolve();
  }

  /** Accepts `call` in place of this outgoing call: a callee is calling this user at the same time. */
  acceptInstead(call: Call): void {
    this.#signaling.setCallId(call.id);
    this.#participants.replace(call.participants);
    this.#accept();
  }

  /** The server refused to initiate or accept the call, or a step of this device failed as `event` describes. */
  fail(error: unknown, event = eventOfError(error, this.#machine.direction)): void {
    this.#error ??= error;
    this.#step(event);
  }

  /** Processes a push about this call. */
  onPush(push: CallPush): void {
    if (this.isEnded) return;
    switch (push.type) {
      case 'state-changed': {
        const { state, endReason = 'completed', detail, error } = push;
        if (error !== undefined) return;
        if (state === 'ended') return this.#step({ type: 'ended', reason: endReason, detail });
        if (state === 'ringing') return this.#step({ type: 'ringing' });
        // The caller learns from `participant-joined` who has answered.
        if (state.startsWith('connect') && this.#machine.direction === 'incoming') this.#answered();
        return;
      }
      case 'participant-joined':
      case 'participant-left':
      case 'media-changed': {
        const participant = this.#participants.applyPush(push);
        if (participant === undefined) return;
        this.events.emit(push.type, participant);
        if (push.type === 'participant-joined' && this.#machine.direction === 'outgoing') this.#answered();
        return;
      }
      case 'quality-changed':
        this.#media.current?.setParticipantQuality(push.userId, push.quality);
        return;
      case 'signal': {
        const { signal } = push;
        if (signal.from.userId === this.#userId) return;
        this.#media.onSignal(signal, this.#machine.hasJoined);
      }
    }
  }

  /** The connection to the server was lost. */
  onDisconnected(): void {
    this.#signaling.onDisconnected();
  }

  /** The connection to the server was restored: synchronises the call, then sends what is queued. */
  async onReconnected(): Promise<void> {
    const { supportsDevices } = this.#signaling;
    if (!this.isEnded && supportsDevices && this.id !== '' && !(await this.#sync())) return;
    if (this.isEnded) return this.#signaling.resumeEnded();
    this.#signaling.onReconnected();
    this.#media.current?.backend.recover('signalling');
    this.#participants.republish();
  }

  /** Returns false if the connection was lost again; the next reconnect repeats the request. */
  async #sync(): Promise<boolean> {
    let isAnswered = true;
    const reply = this.#signaling.sync().catch((error: unknown) => {
      isAnswered = isCommError(error) && error.code === 'NOT_FOUND';
      if (isAnswered) this.#step({ type: 'not-found' });
      return undefined;
    });
    await this.#awaitReply(reply, (call) => this.#apply(call));
    return isAnswered;
  }

  /** Pushes are queued until the reply is applied, because they may be older or newer than the state in the reply. */
  async #awaitReply(reply: Promise<Call | undefined>, apply: (call: Call | undefined) => void): Promise<void> {
    this.#pendingReplies += 1;
    try {
      apply(await reply);
    } catch (error) {
      this.fail(error);
    }
    this.#pendingReplies -= 1;
    this.#host.onReply();
  }

  /** Applies the state of the call that the server sent. */
  #apply(call: Call | undefined): void {
    if (call === undefined || this.isEnded) return;
    this.#signaling.setCallId(call.id);
    // Only the conversation of a call that is joined is known before.
    if (this.#details.callerId === '') this.#details = call;
    this.#participants.replace(call.participants);
    const own = call.participants.find(({ userId }) => userId === this.#userId);
    this.#answeredAt ??= call.answeredAt;
    const isElsewhere = own !== undefined && own.deviceId !== this.#host.deviceId;
    const { hasJoined } = this.#machine;
    const elsewhere = hasJoined ? 'moved' : 'answered_elsewhere';
    if (isElsewhere) return this.#step({ type: 'ended', reason: 'completed', detail: elsewhere });
    const { endReason: reason = 'completed' } = call;
    // The server doesn't know on which device a user who has left was.
    const detail = hasJoined && call.detail === 'answered_elsewhere' ? undefined : call.detail;
    if (call.state === 'ended') return this.#step({ type: 'ended', reason, detail });
    this.onInitiated(call.id);
    if (call.state === 'ringing') this.#step({ type: 'ringing' });
    const hasOthers = call.participants.some(({ userId }) => userId !== this.#userId);
    if (own !== undefined && hasOthers && call.state.startsWith('connect')) this.#answered();
    this.#started.resolve();
  }

  #answered(): void {
    this.#answeredAt ??= new Date(this.#host.context.clock.now()).toISOString();
    this.#step({ type: 'answered' });
  }

  // The state machine

  #open(event: 'start' | 'join' | 'accept', media: JoinMedia): void {
    this.#media.open(media);
    this.#step({ type: event });
  }

  /** An incoming call rings again and can be accepted with other media; other calls end. */
  #mediaFailed(error: unknown): void {
    const event: CallEvent = { type: 'media-failed' };
    if (!this.#machine.isInvited) return this.fail(error, event);
    this.#step(event);
    this.#started.reject(error);
  }

  #step(event: CallEvent): void {
    const before = this.#machine;
    const [next, effects] = stepCall(before, event);
    this.#machine = next;
    const isNewState = next.state !== before.state;
    for (const effect of effects) this.#perform(effect);
    this.#updateSnapshot();
    // An effect may have caused a further step, which has emitted its own state.
    if (isNewState && this.#machine === next) this.events.emit('state', next.state);
    if (isNewState && next.state === 'ended') this.#settle(next.endReason ?? 'completed');
  }

  #perform(effect: CallEffect): void {
    switch (effect.do) {
      case 'acquire-media':
        return this.#media.acquire();
      case 'release-media':
        return this.#media.release();
      case 'initiate':
        return this.#initiate();
      case 'accept':
        return this.#accept();
      case 'reject':
        return this.#signaling.reject();
      case 'hang-up':
        return this.#signaling.hangUp(effect.reason, effect.detail);
      case 'join-media':
        return this.#media.join();
      case 'report-connected':
        return this.#signaling.sendConnected();
      case 'set-timer': {
        const { timer } = effect;
        const { ringTimeoutMs = CALL_TIMERS.answer } = this.#host.options;
        const ms = timer === 'answer' ? ringTimeoutMs : CALL_TIMERS[timer];
        return this.#timers.set(timer, ms, () => this.#step({ type: 'timeout', timer }));
      }
      case 'clear-timer':
        this.#timers.cancel(effect.timer);
        return;
      case 'dispose':
        return this.#dispose();
    }
  }

  #initiate(): void {
    const { conversationId, type, calleeIds } = this.#details;
    const reply = this.#signaling.initiate({ conversationId, type, calleeIds }, this.signal);
    void this.#awaitReply(reply, (call) => this.#apply(call));
  }

  #accept(): void {
    const { conversationId } = this.#details;
    const reply =
      this.#machine.isInvited || this.id !== ''
        ? this.#acceptOrSync()
        : this.#signaling.join({ conversationId }, this.signal);
    void this.#awaitReply(reply, (call) => {
      // A base server acknowledges without the state of the call.
      if (call === undefined) this.#participants.addSelf();
      else this.#apply(call);
      this.#answered();
      this.#started.resolve();
    });
  }

  /** If the call was answered or has ended meanwhile, the server knows how. */
  async #acceptOrSync(): Promise<Call | undefined> {
    try {
      return await this.#signaling.accept(this.signal);
    } catch (error) {
      if (!isCommError(error) || (error.code !== 'CONFLICT' && error.code !== 'NOT_FOUND')) throw error;
      return this.#signaling.sync().catch(() => Promise.reject(error));
    }
  }

  /** Releases all tracks, connections, timers and listeners. */
  #dispose(): void {
    this.#timers.clear();
    this.#media.dispose();
    this.#end.abort(new CommError('DISCONNECTED', 'The call has ended'));
  }

  #settle(reason: CallEndReason): void {
    this.#signaling.close();
    const error = this.#error ?? startErrorOf(this.#machine);
    if (error === undefined) this.#started.resolve();
    else this.#started.reject(error);
    this.#ended.resolve(reason);
    this.#host.onSettled();
  }

  // The snapshot

  #updateSnapshot(): void {
    const next = this.#createSnapshot();
    if (isSameSnapshot(this.#view.getSnapshot(), next)) return;
    this.#view.set(next);
    this.#host.onChanged();
  }

  #createSnapshot(): CallSnapshot {
    const { conversationId, type, callerId, waiting = false } = this.#details;
    const { state, direction, endReason, detail } = this.#machine;
    return Object.freeze({
      id: this.id,
      conversationId,
      state,
      direction,
      type,
      callerId,
      waiting,
      onHold: this.isOnHold,
      participants: this.#participants.roster,
      ...(this.#media.current?.snapshot ?? NO_MEDIA),
      answeredAt: this.#answeredAt,
      endReason,
      detail,
    });
  }

  get #userId(): string {
    return this.#host.context.userId() ?? '';
  }

  #assertNotEnded(): void {
    if (this.isEnded) throw new CommError('NOT_FOUND', 'The call has ended');
  }
}
