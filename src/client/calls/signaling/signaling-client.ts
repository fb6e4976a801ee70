import type { BackoffOptions } from '../../../lib/backoff.ts';
import { retry, retryDelayMs } from '../../../lib/retry.ts';
import type {
  Call,
  CallSeat,
  ConnectionQualityReport,
  HangUp,
  InitiateCall,
  JoinCall,
} from '../../../protocol/calls.ts';
import { CommError, isCommError } from '../../../protocol/errors.ts';
import type { RequestName, RequestOf } from '../../../protocol/events.ts';
import type { CallFailure } from '../../../protocol/constants.ts';
import { assignDefined } from '../../../transport/parse-rows.ts';
import type { ClientContext } from '../../context.ts';
import type { MediaState } from '../session/roster.ts';
import type { OutgoingSignal, SignalPort } from '../webrtc/media-backend.ts';
import { parseCall } from './parse-call-push.ts';

/** Maximum number of signals queued while disconnected. Further signals are dropped; the media backend recovers. */
const MAX_QUEUED_SIGNALS = 512;
/** Waits before a request is repeated that a server which shuts down or has lost its database has refused. */
const BACKOFF: BackoffOptions = { baseMs: 500, maxMs: 5_000 };

const SIGNAL_REQUESTS = {
  offer: 'signal:offer',
  answer: 'signal:answer',
  candidate: 'signal:ice-candidate',
  'ice-restart': 'signal:ice-restart',
} as const satisfies Record<OutgoingSignal['kind'], RequestName>;

/** The last request of a call: a rejection or a hang-up. */
type FinalRequest = { readonly action: 'reject' } | Pick<HangUp, 'reason' | 'detail'>;

/** Dependencies of {@link SignalingClient}. */
export interface SignalingClientOptions {
  readonly context: ClientContext;
  /** Identifies this device in calls, the same after reconnects. */
  readonly deviceId: string;
  /** Returns which media this device sends. */
  readonly mediaState: () => MediaState;
  /** Resolves to whether frames can be encrypted here. Called once per call, because the answer is announced to peers. */
  readonly supportsFrameEncryption: () => Promise<boolean>;
  /** Called when the final request was answered or none is needed. */
  readonly onSettled: () => void;
}

/** Sends the requests of one call, across reconnects. */
export class SignalingClient implements SignalPort {
  readonly #options: SignalingClientOptions;
  readonly #context: ClientContext;
  /** Makes `call:initiate` idempotent. */
  readonly #clientId: string;
  readonly #queue: OutgoingSignal[] = [];
  readonly #listeners = new Set<() => void>();
  /** Ends the wait for a server that is unavailable; signals are queued meanwhile. */
  #cancelResend: (() => void) | undefined;
  #callId = '';
  #connected: boolean;
  #encryptionSupport: Promise<boolean> | undefined;
  #hasInitiated = false;
  #awaitsCallId = false;
  #isClosed = false;
  #finalRequest: FinalRequest | undefined;
  #isSendingFinal = false;

  constructor(options: SignalingClientOptions) {
    this.#options = options;
    this.#context = options.context;
    this.#clientId = options.context.newId();
    this.#connected = options.context.online();
  }

  /** The id of the call, or an empty string before the server assigned it. */
  get callId(): string {
    return this.#callId;
  }

  get connected(): boolean {
    return this.#connected;
  }

  /** True while `call:initiate` is pending and the call has no id. */
  get awaitsCallId(): boolean {
    return this.#awaitsCallId && this.#callId === '';
  }

  /** True while a rejection or hang-up still has to reach the server. */
  get hasFinalRequest(): boolean {
    return this.#finalRequest !== undefined;
  }

  /** True if the server knows devices and `call:sync`; false for base servers. */
  get supportsDevices(): boolean {
    return this.#context.has('multi-socket-call');
  }

  onConnected(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Sets the id of the call. Ignored if it is set already. */
  setCallId(callId: string): void {
    if (this.#callId !== '') return;
    this.#callId = callId;
    void this.#flushFinalRequest();
  }

  /** Initiates the call. Repeats the request after reconnects if the server makes it idempotent. */
  initiate(request: InitiateCall, signal: AbortSignal): Promise<Call | undefined> {
    return this.#request('call:initiate', request, signal);
  }

  /** Joins the running call of a conversation. Idempotent, so the request is repeated after reconnects. */
  join(request: JoinCall, signal: AbortSignal): Promise<Call | undefined> {
    return this.#request('call:join', request, signal);
  }

  async #request<K extends 'call:initiate' | 'call:join'>(
    name: K,
    request: RequestOf<K>,
    signal: AbortSignal,
  ): Promise<Call | undefined> {
    this.#hasInitiated = true;
    this.#awaitsCallId = true;
    try {
      const call = await this.#repeatRequest(name, request, signal);
      if (call !== undefined) this.setCallId(call.id);
      return call;
    } catch (error) {
      // If the outcome is unknown, the callees may be ringing, so a hang-up must still be sent.
      if (!isOutcomeUnknown(error) || !this.supportsDevices) this.#clearFinalRequest();
      throw error;
    } finally {
      if (this.supportsDevices) this.#awaitsCallId = false;
      void this.#flushFinalRequest();
    }
  }

  async #repeatRequest<K extends 'call:initiate' | 'call:join'>(
    name: K,
    request: RequestOf<K>,
    signal: AbortSignal,
  ): Promise<Call | undefined> {
    await this.#context.whenConnected(signal);
    const isJoin = name === 'call:join';
    if (isJoin && !this.supportsDevices) throw new CommError('UNSUPPORTED', 'The server has no calls to join');
    const extended = { ...request, ...(!isJoin && { clientId: this.#clientId }), ...(await this.#deviceFields()) };
    const { requester } = this.#context;
    // Not aborted by `signal`: the answer contains the id that is needed to cancel the call.
    const ask = (): Promise<unknown> => requester.request(name, this.supportsDevices ? extended : request);
    return parseCall(await (this.supportsDevices ? this.repeat(signal, ask) : ask()));
  }

  /** Accepts the call. Repeats the request after reconnects. */
  async accept(signal: AbortSignal): Promise<Call | undefined> {
    const answer = await this.repeat(signal, async () => {
      const payload = { callId: this.#callId, action: 'accept', ...(await this.#deviceFields()) } as const;
      return this.#context.requester.request('call:respond', payload, { signal });
    });
    return parseCall(answer);
  }

  /**
   * Performs an idempotent request once connected, and again while its outcome is unknown: after each reconnect, and
   * after a while if the server is unavailable.
   *
   * @throws CommError of the server; the reason of `signal`
   */
  async repeat(signal: AbortSignal, request: () => Promise<unknown>): Promise<unknown> {
    for (;;) {
      await this.#context.whenConnected(signal);
      try {
        return await this.#whenAvailable(request, signal);
      } catch (error) {
        if (signal.aborted || !isOutcomeUnknown(error)) throw error;
        await this.#context.untilConnected(signal);
      }
    }
  }

  /** Repeats a request while the server is unavailable. */
  #whenAvailable<T>(request: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    return retry(request, this.#context, { backoff: BACKOFF, shouldRetry: isUnavailable, signal });
  }

  async #deviceFields(): Promise<CallSeat> {
    if (!this.supportsDevices) return {};
    const { deviceId, supportsFrameEncryption } = this.#options;
    this.#encryptionSupport ??= supportsFrameEncryption();
    const { audioMuted, videoMuted } = this.#options.mediaState();
    const mediaEncryption = (await this.#encryptionSupport) ? true : undefined;
    return { deviceId, audio: !audioMuted, video: !videoMuted, ...(mediaEncryption && { mediaEncryption }) };
  }

  /** Requests the state of the call. @throws CommError `NOT_FOUND` if it has ended */
  async sync(): Promise<Call | undefined> {
    const { requester } = this.#context;
    const request = { callId: this.#callId, deviceId: this.#options.deviceId };
    return parseCall(await this.#whenAvailable(() => requester.request('call:sync', request)));
  }

  /** Adds or removes a participant. */
  async changeParticipant(name: 'call:add-participant' | 'call:remove-participant', userId: string): Promise<void> {
    await this.#context.requester.request(name, { callId: this.#callId, userId });
  }

  /** Sends the changed media state. Returns whether the server received it; not repeated after a reconnect. */
  sendMediaState({ audioMuted, videoMuted, screenSharing }: Partial<MediaState>): Promise<boolean> {
    return this.#sendOnce('call:media-toggle', {
      ...(audioMuted !== undefined && { audio: !audioMuted }),
      ...(videoMuted !== undefined && { video: !videoMuted }),
      ...(screenSharing !== undefined && { screenShare: screenSharing }),
    });
  }

  /** Sends a quality report. Lost while disconnected. */
  sendQualityReport(report: ConnectionQualityReport): void {
    void this.#sendOnce('call:quality-report', report);
  }

  /** Reports that media is connected. Not sent to base servers. */
  sendConnected(): void {
    if (this.supportsDevices) void this.#sendOnce('call:connected', {});
  }

  #sendOnce<K extends 'call:media-toggle' | 'call:quality-report' | 'call:connected'>(
    name: K,
    payload: Omit<RequestOf<K>, 'callId'>,
  ): Promise<boolean> {
    const request = { ...payload, callId: this.#callId };
    return this.#whenAvailable(() => this.#context.requester.request(name, request)).then(
      () => true,
      () => false,
    );
  }

  /** Rejects the call, now or once connected. */
  reject(): void {
    this.#finalRequest = { action: 'reject' };
    void this.#flushFinalRequest();
  }

  /** Hangs up, now or once the id of the call is known and the client is connected. */
  hangUp(reason: HangUp['reason'], detail: CallFailure | undefined): void {
    if (this.#callId === '' && !this.#hasInitiated) return;
    this.#finalRequest = { reason, ...(detail !== undefined && { detail }) };
    void this.#flushFinalRequest();
  }

  send(signal: OutgoingSignal): void {
    if (this.#connected && this.#cancelResend === undefined) this.#sendSignal(signal);
    else if (this.#queue.length < MAX_QUEUED_SIGNALS) this.#queue.push(signal);
  }

  /** Queues signals from now on. */
  onDisconnected(): void {
    this.#connected = false;
    this.#endResend();
  }

  /** Sends queued signals. Call it after `sync()`, so that the server knows this device. */
  onReconnected(): void {
    this.#connected = true;
    this.#sendQueued();
    for (const listener of this.#listeners) listener();
  }

  /** Sends the final request of an ended call after a reconnect. */
  async resumeEnded(): Promise<void> {
    this.#connected = true;
    const isRejection = this.#finalRequest !== undefined && 'action' in this.#finalRequest;
    // Registers this device with the server before it hangs up.
    if (this.#callId !== '' && this.supportsDevices && !isRejection) await this.sync().catch(() => undefined);
    await this.#flushFinalRequest();
  }

  /** Drops queued signals. A pending final request is still sent. */
  close(): void {
    this.#isClosed = true;
    this.#queue.length = 0;
    this.#endResend();
    this.#listeners.clear();
    if (!this.hasFinalRequest) this.#options.onSettled();
  }

  #sendSignal(signal: OutgoingSignal): void {
    const { to, kind, ...body } = signal;
    const { requester, userId } = this.#context;
    const device = this.supportsDevices ? { toDeviceId: to.deviceId, generation: to.generation } : {};
    const address = { callId: this.#callId, fromUserId: userId() ?? '', toUserId: to.userId, ...device };
    const payload = { ...address, ...body, ...((kind === 'offer' || kind === 'answer') && { type: kind }) };
    requester.request(SIGNAL_REQUESTS[kind], assignDefined<object>({}, payload) as never).catch((error: unknown) => {
      // On a disconnect all pending signals fail together and in order. Signals that the server rejects are dropped.
      if (!isOutcomeUnknown(error) && !isUnavailable(error)) return;
      if (this.#queue.length < MAX_QUEUED_SIGNALS) this.#queue.push(signal);
      if (isUnavailable(error)) this.#resendLater(error);
    });
  }

  #sendQueued(): void {
    for (const signal of this.#queue.splice(0)) this.#sendSignal(signal);
  }

  /** Sends queued signals after a while, because no reconnect may follow. */
  #resendLater(error: unknown): void {
    if (!this.#connected || this.#isClosed || this.#cancelResend !== undefined) return;
    const { clock, random } = this.#context;
    this.#cancelResend = clock.after(retryDelayMs(error, 0, random, BACKOFF), () => {
      this.#cancelResend = undefined;
      this.#sendQueued();
    });
  }

  #endResend(): void {
    this.#cancelResend?.();
    this.#cancelResend = undefined;
  }

  async #flushFinalRequest(): Promise<void> {
    const request = this.#finalRequest;
    if (request === undefined || this.#isSendingFinal || this.awaitsCallId) return;
    if (!this.#context.online()) return;
    this.#isSendingFinal = true;
    try {
      await this.#whenAvailable(() => this.#sendFinal(request));
      this.#clearFinalRequest();
    } catch (error) {
      if (!isOutcomeUnknown(error)) this.#clearFinalRequest();
    } finally {
      this.#isSendingFinal = false;
    }
  }

  #sendFinal(request: FinalRequest): Promise<unknown> {
    const { requester } = this.#context;
    // The server also accepts the `clientId` of `call:initiate` for a call whose id never arrived.
    const callId = this.#callId === '' ? this.#clientId : this.#callId;
    if ('action' in request) return requester.request('call:respond', { callId, ...request });
    return requester.request('call:hangup', { callId, ...request });
  }

  #clearFinalRequest(): void {
    if (this.#finalRequest === undefined) return;
    this.#finalRequest = undefined;
    this.#options.onSettled();
  }
}

/** Returns whether a request may or may not have taken effect. */
function isOutcomeUnknown(error: unknown): boolean {
  return isCommError(error) && (error.code === 'DISCONNECTED' || error.code === 'TIMEOUT');
}

/** Returns whether the server can't answer at present: it shuts down, or has lost its database. */
function isUnavailable(error: unknown): boolean {
  return isCommError(error) && error.code === 'UNAVAILABLE';
}
