import { CommError } from '../../protocol/errors.ts';
import { capture, release } from './capture.ts';
import { listen } from './held.ts';
import type { ScreenShareOptions, Slot } from './media-backend.ts';
import { mediaDevices, mediaError } from './media-errors.ts';

export interface ScreenShareHost {
  sends(slot: Slot & ('screen' | 'screenAudio'), track: MediaStreamTrack | null): void;
  /** "Stop sharing" in the browser. */
  stopped(): void;
}

/** A screen, a window or a tab, with its sound where the browser gives it. */
export class ScreenShare {
  readonly #host: ScreenShareHost;
  readonly #end: AbortSignal;
  #picking: AbortController | undefined;
  #listening: AbortController | undefined;
  #stream: MediaStream | undefined;

  constructor(host: ScreenShareHost, end: AbortSignal) {
    this.#host = host;
    this.#end = end;
  }

  get stream(): MediaStream | undefined {
    return this.#stream;
  }

  isOn(slot: 'screen' | 'screenAudio'): boolean {
    return this.#track(slot) !== undefined;
  }

  async start({ stream, audio = true, video }: ScreenShareOptions, signal: AbortSignal): Promise<void> {
    this.#picking?.abort(new DOMException('Another screen is being picked', 'AbortError'));
    const picking = new AbortController();
    this.#picking = picking;
    const tracks = stream?.getTracks() ?? (await this.#pick({ video: video ?? true, audio }, signal, picking.signal));
    this.#picking = undefined;
    this.#drop();
    this.#stream = stream ?? new MediaStream(tracks);
    this.#listening = new AbortController();
    const [shown] = this.#stream.getVideoTracks();
    const onEnded = (): void => {
      this.stop();
      this.#host.stopped();
    };
    if (shown !== undefined) listen(shown, 'ended', onEnded, this.#listening.signal);
    this.#tell();
  }

  stop(): void {
    this.#picking?.abort(new DOMException('The screen is no longer wanted', 'AbortError'));
    if (this.#stream === undefined) return;
    this.#drop();
    this.#tell();
  }

  dispose(): void {
    this.#drop();
  }

  async #pick(
    options: DisplayMediaStreamOptions,
    signal: AbortSignal,
    picking: AbortSignal,
  ): Promise<MediaStreamTrack[]> {
    // Phones have none, whatever the types say.
    const devices: Partial<MediaDevices> = mediaDevices();
    const { getDisplayMedia } = devices;
    if (getDisplayMedia === undefined) throw new CommError('MEDIA_UNAVAILABLE', 'This browser can share no screen');
    try {
      return await capture(() => getDisplayMedia.call(devices, options), this.#end, signal, picking);
    } catch (error) {
      throw this.#end.aborted || signal.aborted || picking.aborted ? error : mediaError(error);
    }
  }

  #drop(): void {
    this.#listening?.abort();
    this.#stream?.getTracks().forEach(release);
    this.#stream = undefined;
  }

  #track(slot: 'screen' | 'screenAudio'): MediaStreamTrack | undefined {
    return (slot === 'screen' ? this.#stream?.getVideoTracks() : this.#stream?.getAudioTracks())?.[0];
  }

  #tell(): void {
    if (this.#end.aborted) return;
    for (const slot of ['screen', 'screenAudio'] as const) this.#host.sends(slot, this.#track(slot) ?? null);
  }
}
