import { CommError } from '../../../protocol/errors.ts';
import type { ScreenShareOptions } from '../webrtc/media-backend.ts';
import { listen } from '../webrtc/resource-counters.ts';
import { captureTracks, releaseTrack } from './captured-tracks.ts';
import { requireMediaDevices, toMediaError } from '../../devices/media-errors.ts';

type ScreenSlot = 'screen' | 'screenAudio';

/** Callbacks of a {@link ScreenShare}. */
export interface ScreenShareHost {
  /** The track to send changed. */
  onTrack(slot: ScreenSlot, track: MediaStreamTrack | null): void;
  /** The user stopped sharing in the browser's own control. */
  onStopped(): void;
}

/** Shares a screen, window or tab, with its audio where the browser supports it. */
export class ScreenShare {
  readonly #host: ScreenShareHost;
  readonly #end: AbortSignal;
  #picking: AbortController | undefined;
  #listening: AbortController | undefined;
  #stream: MediaStream | undefined;

  /** @param end - aborted when the call ends */
  constructor(host: ScreenShareHost, end: AbortSignal) {
    this.#host = host;
    this.#end = end;
  }

  /** The shared stream, if any. */
  get stream(): MediaStream | undefined {
    return this.#stream;
  }

  /** Returns whether a slot sends a track. */
  isSending(slot: ScreenSlot): boolean {
    return this.#track(slot) !== undefined;
  }

  /** Opens the browser's picker, or takes a stream of the app, and replaces the current screen. */
  async start({ stream, audio = true, video }: ScreenShareOptions, signal: AbortSignal): Promise<void> {
    this.#picking?.abort(new CommError('CANCELLED', 'Replaced by a later shareScreen()'));
    const picking = new AbortController();
    this.#picking = picking;
    const tracks = stream?.getTracks() ?? (await this.#pick({ video: video ?? true, audio }, signal, picking.signal));
    this.#picking = undefined;
    this.#release();
    this.#stream = stream ?? new MediaStream(tracks);
    this.#listening = new AbortController();
    const [screen] = this.#stream.getVideoTracks();
    const onEnded = (): void => {
      this.stop();
      this.#host.onStopped();
    };
    if (screen !== undefined) {
      listen(screen, 'ended', onEnded, this.#listening.signal);
      // Keeps text readable. An app that shares a film sets its own hint.
      if (screen.contentHint === '') screen.contentHint = 'detail';
    }
    this.#emitTracks();
  }

  /** Stops sharing, and cancels an open picker. Idempotent. */
  stop(): void {
    this.#picking?.abort(new CommError('CANCELLED', 'Screen sharing was stopped'));
    if (this.#stream === undefined) return;
    this.#release();
    this.#emitTracks();
  }

  /** Stops the tracks that were opened here. */
  dispose(): void {
    this.#release();
  }

  async #pick(
    options: DisplayMediaStreamOptions,
    signal: AbortSignal,
    picking: AbortSignal,
  ): Promise<MediaStreamTrack[]> {
    // `undefined` in mobile browsers, although the type says otherwise.
    const devices: Partial<MediaDevices> = requireMediaDevices();
    const { getDisplayMedia } = devices;
    if (getDisplayMedia === undefined) {
      throw new CommError('MEDIA_UNAVAILABLE', 'This browser does not support screen sharing');
    }
    try {
      return await captureTracks(() => getDisplayMedia.call(devices, options), this.#end, signal, picking);
    } catch (error) {
      throw this.#end.aborted || signal.aborted || picking.aborted ? error : toMediaError(error);
    }
  }

  #release(): void {
    this.#listening?.abort();
    this.#stream?.getTracks().forEach(releaseTrack);
    this.#stream = undefined;
  }

  #track(slot: ScreenSlot): MediaStreamTrack | undefined {
    return (slot === 'screen' ? this.#stream?.getVideoTracks() : this.#stream?.getAudioTracks())?.[0];
  }

  #emitTracks(): void {
    if (this.#end.aborted) return;
    for (const slot of ['screen', 'screenAudio'] as const) this.#host.onTrack(slot, this.#track(slot) ?? null);
  }
}
