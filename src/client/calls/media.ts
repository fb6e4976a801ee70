import { Emitter } from '../../lib/emitter.ts';
import { capture, release } from './capture.ts';
import { DeviceSlot } from './device-slot.ts';
import { listen } from './held.ts';
import type { CallMedia, LocalMedia, LocalMediaEvents, ScreenShareOptions, Slot } from './media-backend.ts';
import { mediaDevices, mediaError } from './media-errors.ts';
import { ScreenShare } from './screen-share.ts';

export interface MediaDefaults {
  readonly audio?: MediaTrackConstraints | undefined;
  readonly video?: MediaTrackConstraints | undefined;
}

/** What is captured here, and the one owner of every track that was opened for it. */
export class BrowserMedia implements LocalMedia {
  readonly #emitter: Emitter<LocalMediaEvents>;
  readonly #end = new AbortController();
  readonly #devices: Readonly<Record<'mic' | 'camera', DeviceSlot>>;
  readonly #screen: ScreenShare;
  readonly #stream = new MediaStream();

  constructor({ audio = {}, video = {} }: MediaDefaults, report: (error: unknown) => void) {
    this.#emitter = new Emitter<LocalMediaEvents>(report);
    this.#devices = { mic: this.#slot('mic', audio), camera: this.#slot('camera', video) };
    this.#screen = new ScreenShare(
      {
        sends: (slot, track) => this.#emit('slot', { slot, track }),
        stopped: () => this.#emit('ended', { slot: 'screen', reason: 'stopped' }),
      },
      this.#end.signal,
    );
    const { mediaDevices: devices } = navigator as { readonly mediaDevices?: MediaDevices };
    if (devices === undefined) return;
    const onChange = (): void => {
      this.devices()
        .then((list) => this.#emit('devicechange', list))
        .catch(report);
    };
    listen(devices, 'devicechange', onChange, this.#end.signal);
  }

  get stream(): MediaStream | undefined {
    return this.#stream.getTracks().length > 0 ? this.#stream : undefined;
  }

  get screenStream(): MediaStream | undefined {
    return this.#screen.stream;
  }

  isOn(slot: Slot): boolean {
    return slot === 'mic' || slot === 'camera' ? this.#devices[slot].on : this.#screen.isOn(slot);
  }

  async start(wanted: Required<CallMedia>, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { mic, camera } = this.#devices;
    const audio = mic.want(wanted.audio ?? true);
    const video = camera.want(wanted.video ?? false);
    if (audio === undefined && video === undefined) return;
    // Both at once: the user is asked once.
    const constraints = { audio: audio ?? false, video: video ?? false };
    try {
      const devices = mediaDevices();
      const tracks = await capture(() => devices.getUserMedia(constraints), signal, this.#end.signal);
      for (const track of tracks) (track.kind === 'audio' ? mic : camera).take(track);
    } catch (error) {
      throw signal.aborted || this.#end.signal.aborted ? error : mediaError(error);
    }
  }

  setDesired(slot: 'mic' | 'camera', on: boolean): Promise<void> {
    return this.#devices[slot].set(on);
  }

  shareScreen(options: ScreenShareOptions, signal: AbortSignal): Promise<void> {
    return this.#screen.start(options, signal);
  }

  stopScreen(): void {
    this.#screen.stop();
  }

  switchDevice(kind: 'audioinput' | 'videoinput', deviceId: string): Promise<void> {
    return this.#devices[kind === 'audioinput' ? 'mic' : 'camera'].switchTo(deviceId);
  }

  async devices(): Promise<MediaDeviceInfo[]> {
    return mediaDevices().enumerateDevices();
  }

  dispose(): void {
    if (this.#end.signal.aborted) return;
    this.#end.abort(new DOMException('The call is over', 'AbortError'));
    this.#devices.mic.dispose();
    this.#devices.camera.dispose();
    this.#screen.dispose();
    for (const track of this.#stream.getTracks()) {
      this.#stream.removeTrack(track);
      release(track);
    }
  }

  on<K extends keyof LocalMediaEvents>(event: K, listener: (payload: LocalMediaEvents[K]) => void): () => void {
    return this.#emitter.on(event, listener);
  }

  #slot(slot: 'mic' | 'camera', defaults: MediaTrackConstraints): DeviceSlot {
    const host = {
      sends: (track: MediaStreamTrack | null): void => this.#emit('slot', { slot, track }),
      shows: (track: MediaStreamTrack | undefined, before: MediaStreamTrack | undefined): void => {
        if (before !== undefined) this.#stream.removeTrack(before);
        if (track !== undefined) this.#stream.addTrack(track);
      },
      unplugged: (): void => this.#emit('ended', { slot, reason: 'unplugged' }),
      failed: (error: LocalMediaEvents['failed']['error']): void => this.#emit('failed', { slot, error }),
    };
    return new DeviceSlot(slot === 'mic' ? 'audio' : 'video', defaults, host, this.#end.signal);
  }

  #emit<K extends keyof LocalMediaEvents>(event: K, payload: LocalMediaEvents[K]): void {
    if (!this.#end.signal.aborted) this.#emitter.emit(event, payload);
  }
}
