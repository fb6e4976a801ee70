import type { Emitter } from '../../../lib/emitter.ts';
import { isCommError, type CommError } from '../../../protocol/errors.ts';
import type { CallType } from '../../../protocol/constants.ts';
import type { CreateKeyProvider } from '../e2ee/key-provider.ts';
import { SessionMedia } from '../media/session-media.ts';
import { SignalBuffer } from '../signaling/signal-buffer.ts';
import type { SignalingClient } from '../signaling/signaling-client.ts';
import type { IncomingSignal } from '../webrtc/media-backend.ts';
import type { CallHost } from './call-host.ts';
import { CONNECTIVITY_EVENTS, type CallEvent } from './call-machine.ts';
import type { CallSessionEvents, JoinMedia } from './call-types.ts';
import type { Participants } from './participants.ts';

/** The parts of a call that {@link MediaController} works with, and where it reports. */
export interface MediaControllerCall {
  readonly signaling: SignalingClient;
  readonly participants: Participants;
  readonly events: Emitter<CallSessionEvents>;
  /** Aborted when the call ends. */
  readonly signal: AbortSignal;
  callType(): CallType;
  isIncoming(): boolean;
  readonly step: (event: CallEvent) => void;
  /** Microphone and camera could not be opened. */
  onFailed(error: unknown): void;
  /** A value of the snapshot changed. */
  readonly onChanged: () => void;
}

/** Opens the media of a call when it is started or accepted, joins the media backend when it is answered, and closes both. */
export class MediaController {
  readonly #host: CallHost;
  readonly #call: MediaControllerCall;
  readonly #earlySignals: SignalBuffer<IncomingSignal>;
  #current: SessionMedia | undefined;
  #requested: JoinMedia = {};
  #createKeyProvider: CreateKeyProvider | undefined;

  constructor(host: CallHost, call: MediaControllerCall) {
    this.#host = host;
    this.#call = call;
    this.#earlySignals = new SignalBuffer(host.context.clock);
  }

  /** The media; `undefined` before the call was started or accepted. Kept after the call for its last snapshot. */
  get current(): SessionMedia | undefined {
    return this.#current;
  }

  /** Creates the media objects. The devices are opened by `acquire()`. */
  open(requested: JoinMedia): void {
    const { participants, signaling, events, step, onChanged } = this.#call;
    const { platform, options } = this.#host;
    const handed = requested.preview && this.#host.takePreview(requested.preview);
    this.#requested = requested;
    this.#current = new SessionMedia(
      platform,
      handed ?? { local: platform.createLocalMedia(options.media ?? {}), slots: [] },
      {
        onChanged,
        onLocalMediaChanged: () => {
          participants.localMediaChanged();
          onChanged();
        },
        onConnectivity: (state) => step(CONNECTIVITY_EVENTS[state]),
        onQualityLevel: (report) => signaling.sendQualityReport(report),
        clock: this.#host.context.clock,
        callId: () => signaling.callId,
        userId: () => this.#userId,
        emit: (name, payload) => events.emit(name, payload),
      },
    );
  }

  /** Opens microphone and camera. */
  acquire(): void {
    const media = this.#current;
    if (media === undefined) return;
    this.#acquire(media).then(
      () => this.#call.step({ type: 'media-ready' }),
      (error: unknown) => this.#call.onFailed(error),
    );
  }

  /** A caller without a usable camera is told before others are called. A callee answers with audio only. */
  async #acquire(media: SessionMedia): Promise<void> {
    const { preview, audio = true, video = this.#call.callType() === 'video' } = this.#requested;
    const { processors } = this.#host.options;
    if (preview !== undefined) return;
    if (processors !== undefined) await (await import('../media/processed-media.ts')).setProcessors(media, processors);
    const { local } = media;
    const { signal, events } = this.#call;
    try {
      await local.start({ audio, video }, signal);
    } catch (error) {
      const isUnavailable = isCommError(error) && error.code === 'MEDIA_UNAVAILABLE';
      if (!isUnavailable || !this.#call.isIncoming() || video === false || audio === false) throw error;
      await local.start({ audio, video: false }, signal);
      events.emit('error', error);
    }
  }

  /** Closes the devices before the call was joined. */
  release(): void {
    this.#current?.dispose();
    this.#current = undefined;
  }

  /** Connects to the participants. */
  join(): void {
    const { deviceId, iceServers, context } = this.#host;
    const { signaling, participants, events, signal, step } = this.#call;
    const { supportsDevices, callId } = signaling;
    const backend = this.#current?.backend;
    const self = { userId: this.#userId, ...(supportsDevices && { deviceId }) };
    const keys = this.#createKeyProvider?.({
      callId,
      self,
      roster: () => participants.roster,
      onError: (error) => events.emit('error', error),
    });
    participants.join((roster) => {
      backend
        ?.join({ callId, self, roster, iceServers, signal: signaling, keys, abort: signal })
        .catch((error: unknown) => {
          context.report(error);
          step({ type: 'failed', detail: 'ice' });
        });
    });
    for (const each of this.#earlySignals.take()) backend?.onSignal(each);
  }

  /** Processes a signal of a peer. Signals that arrive before this device has joined are buffered. */
  onSignal(signal: IncomingSignal, hasJoined: boolean): void {
    if (hasJoined) this.#current?.backend.onSignal(signal);
    else this.#earlySignals.push(signal);
  }

  /** Loads the key provider. Without one the call continues unencrypted, which its snapshot shows. */
  async loadKeyProvider(): Promise<boolean> {
    const onError = (error: CommError): void => this.#call.events.emit('error', error);
    this.#createKeyProvider = await this.#host.loadKeyProvider?.(onError);
    return this.#createKeyProvider !== undefined;
  }

  /** Stops all tracks and closes all connections. */
  dispose(): void {
    this.#current?.dispose();
    this.#earlySignals.take();
  }

  get #userId(): string {
    return this.#host.context.userId() ?? '';
  }
}
