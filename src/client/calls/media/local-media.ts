import type { Clock } from '../../../lib/clock.ts';
import { Emitter } from '../../../lib/emitter.ts';
import { lazy } from '../../../lib/lazy.ts';
import { CommError } from '../../../protocol/errors.ts';
import type {
  CallMedia,
  DeviceChoice,
  LocalMedia,
  LocalMediaEvents,
  ScreenShareOptions,
  Slot,
} from '../webrtc/media-backend.ts';
import { listen } from '../webrtc/resource-counters.ts';
import { CaptureDevice, type CaptureDeviceHost } from './capture-device.ts';
import { captureTracks, releaseTrack } from './captured-tracks.ts';
import { requireMediaDevices, toMediaError } from '../../devices/media-errors.ts';

/** Constraints that every microphone and camera is opened with. */
export interface MediaDefaults {
  readonly audio?: MediaTrackConstraints | undefined;
  readonly video?: MediaTrackConstraints | undefined;
}

/** Dependencies of {@link BrowserLocalMedia}. */
export interface LocalMediaOptions {
  readonly clock: Clock;
  /** Reports an error that has no other consequences. */
  readonly report: (error: unknown) => void;
}

/** Local media of a browser: microphone, camera and screen. Owns every track that it opened. */
export class BrowserLocalMedia implements LocalMedia {
  readonly #emitter: Emitter<LocalMediaEvents>;
  readonly #end = new AbortController();
  readonly #devices: Readonly<Record<'mic' | 'camera', CaptureDevice>>;
  /** Loaded in the background, because a browser shows its picker only directly after a click. */
  readonly #screen = lazy(async () => {
    const { ScreenShare } = await import('./screen-share.ts');
    return new ScreenShare(
      {
        onTrack: (slot, track) => this.#emit('slot', { slot, track }),
        onStopped: () => this.#emit('ended', { slot: 'screen', reason: 'stopped' }),
      },
      this.#end.signal,
    );
  });
  readonly #stream = new MediaStream();

  constructor({ audio = {}, video = {} }: MediaDefaults, { clock, report }: LocalMediaOptions) {
    this.#emitter = new Emitter<LocalMediaEvents>(report);
    this.#devices = {
      mic: this.#createDevice('mic', audio, clock),
      camera: this.#createDevice('camera', video, clock),
    };
    const { mediaDevices } = navigator as { readonly mediaDevices?: MediaDevices };
    if (mediaDevices === undefined) return;
    const onChange = (): void => {
      this.devices()
        .then((list) => this.#emit('devicechange', list))
        .catch(report);
    };
    listen(mediaDevices, 'devicechange', onChange, this.#end.signal);
  }

  get stream(): MediaStream | undefined {
    return this.#stream.getTracks().length > 0 ? this.#stream : undefined;
  }

  get screenStream(): MediaStream | undefined {
    return this.#screen.current?.stream;
  }

  isSending(slot: Slot): boolean {
    return slot === 'mic' || slot === 'camera'
      ? this.#devices[slot].isSending
      : this.#screen.current?.isSending(slot) === true;
  }

  isEnabled(slot: 'mic' | 'camera'): boolean {
    return this.#devices[slot].isEnabled;
  }

  async start(sources: Required<CallMedia>, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    // A failure is repeated by `shareScreen()`.
    this.#screen().catch(() => undefined);
    const { mic, camera } = this.#devices;
    const audio = mic.setSource(sources.audio ?? true);
    const video = camera.setSource(sources.video ?? false);
    if (audio === undefined && video === undefined) return;
    // One request for both devices, so that the browser shows one prompt.
    const constraints = { audio: audio ?? false, video: video ?? false };
    try {
      const devices = requireMediaDevices();
      const tracks = await captureTracks(() => devices.getUserMedia(constraints), signal, this.#end.signal);
      for (const track of tracks) (track.kind === 'audio' ? mic : camera).setTrack(track);
    } catch (error) {
      throw signal.aborted || this.#end.signal.aborted ? error : toMediaError(error);
    }
  }

  setEnabled(slot: 'mic' | 'camera', enabled: boolean): Promise<void> {
    return this.#devices[slot].setEnabled(enabled);
  }

  async shareScreen(options: ScreenShareOptions, signal: AbortSignal): Promise<void> {
    // Without `await` if it has loaded, so that Safari sees the click.
    const screen = this.#screen.current ?? (await this.#screen());
    await screen.start(options, signal);
  }

  stopScreenShare(): void {
    this.#screen.current?.stop();
  }

  switchDevice(kind: 'audioinput' | 'videoinput', choice: DeviceChoice): Promise<void> {
    return this.#devices[kind === 'audioinput' ? 'mic' : 'camera'].switchTo(choice);
  }

  async devices(): Promise<MediaDeviceInfo[]> {
    return requireMediaDevices().enumerateDevices();
  }

  dispose(): void {
    if (this.#end.signal.aborted) return;
    this.#end.abort(new CommError('NOT_FOUND', 'The call has ended'));
    this.#devices.mic.dispose();
    this.#devices.camera.dispose();
    this.#screen.current?.dispose();
    for (const track of this.#stream.getTracks()) {
      this.#stream.removeTrack(track);
      releaseTrack(track);
    }
  }

  on<K extends keyof LocalMediaEvents>(event: K, listener: (payload: LocalMediaEvents[K]) => void): () => void {
    return this.#emitter.on(event, listener);
  }

  #createDevice(slot: 'mic' | 'camera', defaults: MediaTrackConstraints, clock: Clock): CaptureDevice {
    const host: CaptureDeviceHost = {
      onSending: (track) => this.#emit('slot', { slot, track }),
      onTrack: (track, previous) => {
        if (previous !== undefined) this.#stream.removeTrack(previous);
        if (track !== undefined) this.#stream.addTrack(track);
      },
      onUnplugged: () => this.#emit('ended', { slot, reason: 'unplugged' }),
      onFailed: (error) => this.#emit('failed', { slot, error }),
    };
    return new CaptureDevice(slot === 'mic' ? 'audio' : 'video', defaults, host, clock, this.#end.signal);
  }

  #emit<K extends keyof LocalMediaEvents>(event: K, payload: LocalMediaEvents[K]): void {
    if (!this.#end.signal.aborted) this.#emitter.emit(event, payload);
  }
}
