import { KeyedTimers } from '../../../lib/keyed-timers.ts';
import { ObservableValue } from '../../../lib/observable.ts';
import { isSameSnapshot } from '../../../lib/same-snapshot.ts';
import { CommError, isCommError } from '../../../protocol/errors.ts';
import type { ClientContext } from '../../context.ts';
import type { CallOptions, MediaPreview, MediaPreviewSnapshot } from '../session/call-types.ts';
import type {
  CallMedia,
  DeviceChoice,
  LocalMedia,
  MediaPlatform,
  Slot,
  TrackProcessor,
} from '../webrtc/media-backend.ts';
import { countTimers } from '../webrtc/resource-counters.ts';
import { LevelMeter } from '../../devices/level-meter.ts';
import { ProcessedMedia } from './processed-media.ts';
import { requireDeviceChoice } from './device-switch.ts';
import type { HandedMedia } from './session-media.ts';

const LEVEL_INTERVAL_MS = 100;

/** Dependencies of {@link openPreview}. */
export interface PreviewHost {
  readonly context: Pick<ClientContext, 'clock' | 'report'>;
  readonly platform: MediaPlatform;
  readonly options: CallOptions;
  /** Stores how a call takes the media. */
  readonly previews: WeakMap<MediaPreview, () => HandedMedia>;
  /** Aborted when the client disconnects. */
  readonly end: AbortSignal;
}

/** Opens microphone and camera. @throws as `CallsClient.preview()` */
export async function openPreview(
  host: PreviewHost,
  media: CallMedia,
  signal: AbortSignal | undefined,
): Promise<MediaPreview> {
  signal?.throwIfAborted();
  const preview = new Preview(host);
  try {
    await preview.open(media, signal);
    return preview;
  } catch (error) {
    preview.stop();
    throw error;
  }
}

class Preview implements MediaPreview {
  readonly #host: PreviewHost;
  readonly #local: ProcessedMedia | LocalMedia;
  readonly #slots = new Map<Slot, MediaStreamTrack | null>();
  readonly #view: ObservableValue<MediaPreviewSnapshot>;
  readonly #timers: KeyedTimers<'level'>;
  readonly #meter = new LevelMeter();
  readonly #ended = new AbortController();
  readonly #removeListeners: readonly (() => void)[];
  #devices: readonly MediaDeviceInfo[] = Object.freeze([]);
  #audioLevel = 0;
  #error: CommError | undefined;

  constructor(host: PreviewHost) {
    const { context, platform, options, end } = host;
    this.#host = host;
    const local = platform.createLocalMedia(options.media ?? {});
    this.#local = typeof MediaStream === 'function' ? new ProcessedMedia(local, context.clock) : local;
    this.#timers = new KeyedTimers(countTimers(context.clock));
    this.#view = new ObservableValue(this.#snapshot(), context.report);
    this.#removeListeners = [
      this.#local.on('slot', ({ slot, track }) => {
        this.#slots.set(slot, track);
        if (slot === 'mic') this.#meter.measure(track);
        this.#update();
      }),
      this.#local.on('ended', ({ slot }) => {
        this.#setError(
          new CommError('MEDIA_UNAVAILABLE', `The ${slot === 'mic' ? 'microphone' : 'camera'} was unplugged`),
        );
      }),
      this.#local.on('failed', ({ error }) => this.#setError(error)),
      this.#local.on('devicechange', (devices) => {
        this.#devices = devices;
        this.#update();
      }),
    ];
    end.addEventListener('abort', () => this.stop(), { signal: this.#ended.signal });
  }

  readonly getSnapshot = (): MediaPreviewSnapshot => this.#view.getSnapshot();
  readonly getServerSnapshot = (): MediaPreviewSnapshot => this.#view.getServerSnapshot();
  readonly subscribe = (listener: () => void): (() => void) => this.#view.subscribe(listener);

  async open({ audio = true, video = true }: CallMedia, signal: AbortSignal | undefined): Promise<void> {
    const { end, options, previews } = this.#host;
    if (end.aborted) this.stop();
    const opening = AbortSignal.any([this.#ended.signal, ...(signal === undefined ? [] : [signal])]);
    const { processors } = options;
    if (processors?.audio !== undefined) await this.setProcessor('audio', processors.audio);
    if (processors?.video !== undefined) await this.setProcessor('video', processors.video);
    try {
      await this.#local.start({ audio, video }, opening);
    } catch (error) {
      // Stopping also disposes the devices, whose error says less.
      opening.throwIfAborted();
      const isUnavailable = isCommError(error) && error.code === 'MEDIA_UNAVAILABLE';
      if (!isUnavailable || audio === false || video === false) throw error;
      await this.#local.start({ audio, video: false }, opening).catch((cause: unknown) => {
        opening.throwIfAborted();
        throw cause;
      });
      this.#error = error;
    }
    this.#devices = await this.#local.devices();
    opening.throwIfAborted();
    previews.set(this, () => this.#hand());
    this.#update();
    this.#measureLater();
  }

  async setAudio(on: boolean): Promise<void> {
    await this.#openMedia.setEnabled('mic', on);
  }

  async setVideo(on: boolean): Promise<void> {
    await this.#openMedia.setEnabled('camera', on);
  }

  async switchDevice(kind: 'audioinput' | 'videoinput', device: DeviceChoice): Promise<void> {
    requireDeviceChoice(kind, device);
    await this.#openMedia.switchDevice(kind, device);
    this.#update();
  }

  async setProcessor(kind: 'audio' | 'video', processor: TrackProcessor | undefined): Promise<void> {
    const local = this.#openMedia;
    if (!(local instanceof ProcessedMedia)) throw new CommError('UNSUPPORTED', 'This environment has no MediaStream');
    await local.setProcessor(kind === 'audio' ? 'mic' : 'camera', processor);
    this.#update();
  }

  stop(): void {
    if (this.#ended.signal.aborted) return;
    this.#end();
    this.#local.dispose();
  }

  /** @throws CommError `NOT_FOUND` after the end */
  get #openMedia(): ProcessedMedia | LocalMedia {
    if (this.#ended.signal.aborted) throw new CommError('NOT_FOUND', 'The preview has ended');
    return this.#local;
  }

  /** Hands the media to a call, which owns it from then on. */
  #hand(): HandedMedia {
    this.#end();
    return { local: this.#local, slots: Array.from(this.#slots, ([slot, track]) => ({ slot, track })) };
  }

  #end(): void {
    this.#host.previews.delete(this);
    for (const removeListener of this.#removeListeners) removeListener();
    this.#timers.clear();
    this.#meter.close();
    this.#ended.abort(new CommError('CANCELLED', 'The preview was stopped'));
    this.#update();
  }

  #measureLater(): void {
    this.#timers.set('level', LEVEL_INTERVAL_MS, () => {
      this.#audioLevel = this.#meter.level();
      this.#update();
      this.#measureLater();
    });
  }

  #setError(error: CommError): void {
    this.#error = error;
    this.#update();
  }

  #update(): void {
    const next = this.#snapshot();
    if (!isSameSnapshot(this.#view.getSnapshot(), next)) this.#view.set(next);
  }

  #snapshot(): MediaPreviewSnapshot {
    const ended = this.#ended.signal.aborted;
    return Object.freeze({
      stream: ended ? undefined : this.#local.stream,
      audioMuted: ended || !this.#local.isSending('mic'),
      videoMuted: ended || !this.#local.isSending('camera'),
      audioLevel: ended ? 0 : this.#audioLevel,
      devices: this.#devices,
      error: this.#error,
      ended,
    });
  }
}
