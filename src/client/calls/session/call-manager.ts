import { abortable, type AbortOptions } from '../../../lib/abort.ts';
import { deferred, type Deferred } from '../../../lib/deferred.ts';
import type { ObservableValue } from '../../../lib/observable.ts';
import { isSameSnapshot } from '../../../lib/same-snapshot.ts';
import type { Call } from '../../../protocol/calls.ts';
import { CommError, isCommError } from '../../../protocol/errors.ts';
import { CALL_TYPES } from '../../../protocol/constants.ts';
import type { ClientContext } from '../../context.ts';
import { requireId, requireIds, requireOneOf } from '../../validation.ts';
import type { CreateKeyProvider, LoadKeyProvider } from '../e2ee/key-provider.ts';
import type { PreviewHost } from '../media/media-preview.ts';
import type { HandedMedia } from '../media/session-media.ts';
import { browserPlatform } from '../media/browser-platform.ts';
import { parseCall, parseCallPush, type CallPush } from '../signaling/parse-call-push.ts';
import { iceServerSource, serverIceServers } from '../webrtc/ice-servers.ts';
import type { CallMedia, IceConfig, MediaPlatform } from '../webrtc/media-backend.ts';
import { CallController } from './call-controller.ts';
import type { CallDetails } from './call-host.ts';
import { isRingingHere } from './call-machine.ts';
import { CallHandle } from './call-handle.ts';
import type { CallOptions, CallSession, CurrentCalls, JoinMedia, MediaPreview, StartCall } from './call-types.ts';

/** How long an ended call waits for a connection to send its hang-up. The server ends the call by itself before. */
const FINAL_REQUEST_TIMEOUT_MS = 60_000;
/** How long `leave()` waits for replies to hang-ups. */
const LEAVE_TIMEOUT_MS = 1_000;
/** Maximum number of pushes queued per call. */
const MAX_QUEUED_PUSHES = 512;
/** Maximum number of calls with queued pushes. */
const MAX_QUEUED_CALLS = 16;

interface Entry {
  readonly controller: CallController;
  readonly handle: CallHandle;
  cancelTimeout?: () => void;
}

/** Pushes that are queued until a reply shows which call they belong to. */
interface QueuedCall {
  /** An incoming call that may turn out to be the outgoing call of this device. */
  readonly incoming?: Call | undefined;
  readonly pushes: CallPush[];
}

/** Holds all calls of a client, assigns pushes to them, and watches the page while calls exist. */
export class CallManager {
  readonly #context: ClientContext;
  readonly #options: CallOptions;
  readonly #platform: MediaPlatform;
  readonly #iceServers: () => Promise<IceConfig>;
  readonly #loadKeyProvider: LoadKeyProvider | undefined;
  readonly #deviceId: string;
  readonly #current: ObservableValue<CurrentCalls>;
  readonly #entries = new Set<Entry>();
  readonly #queued = new Map<string, QueuedCall>();
  /** How a call takes the media of each open preview. */
  readonly #previews = new WeakMap<MediaPreview, () => HandedMedia>();
  /** Aborted when the app disconnects. */
  #left = new AbortController();
  #stopWatching: (() => void)[] = [];
  /** Resolved when the last call is removed. */
  #allRemoved: Deferred<void> | undefined;

  /** @param current - receives the calls that have not ended */
  constructor(context: ClientContext, current: ObservableValue<CurrentCalls>, options: CallOptions = {}) {
    this.#current = current;
    this.#context = context;
    this.#deviceId = context.newId();
    this.#options = options;
    this.#platform = options.platform ?? browserPlatform(context, options);
    this.#iceServers = iceServerSource(options.iceServers ?? serverIceServers(context), context.clock);
    const encrypts = options.mediaEncryption === true && this.#platform.supportsFrameEncryption === true;
    this.#loadKeyProvider = encrypts ? (onError) => loadKeyProvider(context, onError) : undefined;
  }

  /** All calls that have not ended: the active one, those on hold, then those that ring. */
  get all(): readonly CallSession[] {
    const rank = ({ controller }: Entry): number =>
      isRingingHere(controller.machine) ? 2 : Number(controller.isOnHold);
    return [...this.#entries]
      .filter(({ controller }) => !controller.isEnded)
      .sort((a, b) => rank(a) - rank(b))
      .map(({ handle }) => handle);
  }

  /** Implements `CallsClient.start()`. */
  async start(request: StartCall, { signal }: AbortOptions = {}): Promise<CallSession> {
    const { conversationId, type, calleeIds, preview } = request;
    const media = { ...request.media, preview };
    requireId('conversationId', conversationId);
    requireIds('calleeIds', calleeIds);
    requireOneOf('type', CALL_TYPES, type);
    if (calleeIds.length === 0) throw new TypeError('calleeIds must not be empty');
    signal?.throwIfAborted();
    this.#platform.assertSupported();
    this.#assertNotBusy();
    const incoming = [...this.#entries].find(
      ({ controller }) => isRingingHere(controller.machine) && isMutual(controller.details, request),
    );
    if (incoming !== undefined) {
      await this.#untilStarted(incoming, incoming.handle.accept(media), signal);
      return incoming.handle;
    }
    const callerId = this.#context.userId() ?? '';
    const entry = this.#add({ conversationId, type, callerId, calleeIds: [...calleeIds] });
    await this.#untilStarted(entry, entry.controller.open('start', media), signal);
    return entry.handle;
  }

  /** Implements `CallsClient.join()`. */
  async join(conversationId: string, media: JoinMedia = {}, { signal }: AbortOptions = {}): Promise<CallSession> {
    requireId('conversationId', conversationId);
    signal?.throwIfAborted();
    this.#platform.assertSupported();
    const current = [...this.#entries].find(
      ({ controller }) => !controller.isEnded && controller.details.conversationId === conversationId,
    );
    if (current !== undefined && !isRingingHere(current.controller.machine)) return current.handle;
    this.#assertNotBusy();
    const entry = current ?? this.#add({ conversationId, type: 'audio', callerId: '', calleeIds: [] });
    await this.#untilStarted(entry, current?.handle.accept(media) ?? entry.controller.open('join', media), signal);
    return entry.handle;
  }

  /** Implements `CallsClient.preview()`. */
  async preview(media: CallMedia = {}, { signal }: AbortOptions = {}): Promise<MediaPreview> {
    this.#platform.assertSupported();
    const host: PreviewHost = {
      context: this.#context,
      platform: this.#platform,
      options: this.#options,
      previews: this.#previews,
      end: this.#left.signal,
    };
    return (await import('../media/media-preview.ts')).openPreview(host, media, signal);
  }

  /** Lists microphones, cameras and speakers. */
  devices(): Promise<MediaDeviceInfo[]> {
    return this.#platform.devices();
  }

  /** Processes a push about a call. */
  onPush(event: string, data: unknown): void {
    if (event === 'call:incoming') return this.#onIncoming(parseCall(data));
    const push = parseCallPush(event, data);
    if (push === undefined) return;
    const controller = this.#find(push.callId)?.controller;
    if (this.#queued.has(push.callId) || controller?.awaitsReply === true) this.#queue(push);
    else controller?.onPush(push);
    if (controller === undefined) this.#onUnknownCall(push);
  }

  /**
   * Leaves all calls and stops all previews, because the app disconnects. Calls that only ring here continue to ring on
   * other devices.
   *
   * @returns when the server has replied, or after 1 s; closing the socket earlier may lose the hang-up
   */
  async leave(): Promise<void> {
    this.#left.abort();
    this.#left = new AbortController();
    for (const { controller } of this.#entries) controller.leave();
    if (this.#entries.size === 0 || !this.#context.online()) return;
    const removed = (this.#allRemoved ??= deferred());
    const cancelTimeout = this.#context.clock.after(LEAVE_TIMEOUT_MS, () => removed.resolve());
    await removed.promise;
    cancelTimeout();
  }

  /** The page is unloaded. A call continues for the server's grace time, so that the reloaded page can join it again. */
  #onHidden(): void {
    for (const { controller } of this.#entries) if (!controller.machine.hasJoined) controller.leave();
  }

  #onIncoming(call: Call | undefined): void {
    if (call === undefined || call.callerId === this.#context.userId()) return;
    if (this.#find(call.id) !== undefined || this.#queued.has(call.id)) return;
    const mayBeOwn = [...this.#entries].some(
      ({ controller }) =>
        !controller.isEnded &&
        controller.machine.direction === 'outgoing' &&
        controller.id === '' &&
        isMutual(call, controller.details),
    );
    if (mayBeOwn) this.#queued.set(call.id, { incoming: call, pushes: [] });
    else this.#ring(call);
  }

  #ring(call: Call): void {
    const { controller, handle } = this.#add(call);
    controller.ring(call);
    this.#context.emitter.emit('call', handle);
  }

  #queue(push: CallPush): void {
    const { callId } = push;
    if (this.#queued.size >= MAX_QUEUED_CALLS && !this.#queued.has(callId)) return;
    const queued = this.#queued.get(callId) ?? { pushes: [] };
    this.#queued.set(callId, queued);
    if (queued.pushes.length < MAX_QUEUED_PUSHES) queued.pushes.push(push);
  }

  /** The push may belong to a call that is being initiated and has no id yet. */
  #onUnknownCall(push: CallPush): void {
    const { callId } = push;
    const initiating = [...this.#entries].find(({ controller }) => controller.awaitsId)?.controller;
    if (initiating === undefined) return;
    if (this.#context.has('multi-socket-call')) {
      // The reply to `call:initiate` contains the id.
      if (!this.#queued.has(callId)) this.#queue(push);
      return;
    }
    // A base server doesn't reply; its first push contains the id.
    const incoming = this.#queued.get(callId)?.incoming;
    const change = push.type === 'state-changed' ? push : undefined;
    if (change?.error === undefined) {
      if (change?.state === 'initiating') initiating.onInitiated(callId);
    } else if (incoming !== undefined) initiating.acceptInstead(incoming);
    else initiating.fail(new CommError('BUSY', 'Another call is active'));
    this.#processQueued();
  }

  #add(details: CallDetails): Entry {
    const controller = new CallController(
      {
        context: this.#context,
        platform: this.#platform,
        options: this.#options,
        deviceId: this.#deviceId,
        iceServers: this.#iceServers,
        loadKeyProvider: this.#loadKeyProvider,
        activeCalls: () => this.#activeCalls(),
        takePreview: (preview) => this.#takePreview(preview),
        assertNotBusy: () => this.#assertNotBusy(),
        onChanged: () => {
          const next = { call: this.all.find((call) => !isRingingHere(call)), incoming: this.all.find(isRingingHere) };
          if (!isSameSnapshot(this.#current.getSnapshot(), next)) this.#current.set(Object.freeze(next));
        },
        onSettled: () => this.#onSettled(entry),
        onReply: () => this.#processQueued(),
      },
      details,
    );
    const entry: Entry = { controller, handle: new CallHandle(controller) };
    this.#entries.add(entry);
    if (this.#stopWatching.length === 0) this.#watch();
    return entry;
  }

  /** Waits until the call has started or ended. An abort hangs up; a call whose devices can't be opened rings again. */
  async #untilStarted(
    { controller, handle }: Entry,
    started: Promise<void>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    try {
      await abortable(started, signal);
    } catch (error) {
      if (!isRingingHere(controller.machine)) handle.hangup();
      throw error;
    }
  }

  /** Processes the queued pushes of calls whose replies have arrived. */
  #processQueued(): void {
    if ([...this.#entries].some(({ controller }) => controller.awaitsId)) return;
    for (const [callId, { incoming, pushes }] of this.#queued) {
      if (this.#find(callId)?.controller.awaitsReply === true) continue;
      this.#queued.delete(callId);
      if (incoming !== undefined && this.#find(callId) === undefined) this.#ring(incoming);
      const controller = this.#find(callId)?.controller;
      for (const push of pushes) controller?.onPush(push);
    }
  }

  /** Prefers a call that has not ended: an ended call is kept until its hang-up reached the server. */
  #find(callId: string): Entry | undefined {
    const entries = [...this.#entries].filter(({ controller }) => controller.id === callId);
    return entries.find(({ controller }) => !controller.isEnded) ?? entries[0];
  }

  #takePreview(preview: MediaPreview): HandedMedia {
    const take = this.#previews.get(preview);
    if (take === undefined) throw new TypeError('preview must be an open preview of this client');
    return take();
  }

  /** The calls in which this device is, except those on hold. */
  #activeCalls(): CallController[] {
    return [...this.#entries]
      .map(({ controller }) => controller)
      .filter(({ isEnded, isOnHold, machine }) => !isEnded && !isOnHold && !isRingingHere(machine));
  }

  #assertNotBusy(): void {
    if (this.#activeCalls().length === 0) return;
    throw new CommError('BUSY', 'Another call is active', { fix: 'Hang up first, or use `setHold()`.' });
  }

  #onSettled(entry: Entry): void {
    const { controller } = entry;
    if (!controller.isEnded) return;
    if (controller.hasFinalRequest) {
      entry.cancelTimeout ??= this.#context.clock.after(FINAL_REQUEST_TIMEOUT_MS, () => this.#remove(entry));
    } else this.#remove(entry);
  }

  #remove(entry: Entry): void {
    entry.cancelTimeout?.();
    this.#entries.delete(entry);
    if (this.#entries.size > 0) return;
    for (const stop of this.#stopWatching.splice(0)) stop();
    this.#allRemoved?.resolve();
    this.#allRemoved = undefined;
  }

  /** Brings the calls in step with the server. */
  refresh(): void {
    for (const { controller } of this.#entries) controller.onReconnected().catch(this.#context.report);
  }

  #watch(): void {
    const forEach = (action: (controller: CallController) => void): void => {
      for (const { controller } of this.#entries) action(controller);
    };
    this.#stopWatching = [
      this.#platform.watchPage({
        hidden: () => this.#onHidden(),
        network: (reason) => forEach(({ media }) => media?.backend.recover(reason)),
      }),
      this.#context.emitter.on('status', (status) => {
        if (status !== 'connected') return forEach((controller) => controller.onDisconnected());
        this.refresh();
      }),
    ];
  }
}

/** Returns whether the caller of an incoming call is a callee of an outgoing call in the same conversation. */
function isMutual(
  incoming: Pick<Call, 'conversationId' | 'callerId'>,
  outgoing: Pick<StartCall, 'conversationId' | 'calleeIds'>,
): boolean {
  return incoming.conversationId === outgoing.conversationId && outgoing.calleeIds.includes(incoming.callerId);
}

async function loadKeyProvider(
  context: ClientContext,
  onError: (error: CommError) => void,
): Promise<CreateKeyProvider | undefined> {
  try {
    return await (await import('../e2ee/key-provider.ts')).loadKeyProvider(context);
  } catch (error) {
    onError(isCommError(error) ? error : new CommError('INTERNAL', 'Loading media keys failed', { cause: error }));
    return undefined;
  }
}
