import type { Clock } from '../../../lib/clock.ts';
import { Emitter } from '../../../lib/emitter.ts';
import { CommError } from '../../../protocol/errors.ts';
import type {
  CallMedia,
  DeviceChoice,
  LocalMedia,
  LocalMediaEvents,
  ScreenShareOptions,
  Slot,
  TrackProcessor,
} from '../webrtc/media-backend.ts';
import type { SessionMedia } from './session-media.ts';
import { processTrack, type Processing } from './track-processor.ts';

type Device = 'mic' | 'camera';

/** A device whose tracks are processed. */
interface Processed {
  processor: TrackProcessor | undefined;
  /** The track of the open device, also while it is muted or its processing is pending. */
  opened: MediaStreamTrack | undefined;
  /** The track in use: `opened`, or the one before it until `opened` has been processed. */
  captured: MediaStreamTrack | undefined;
  /** What the processor made of it; `undefined` if the captured track is used. */
  processing: Processing | undefined;
  /** Whether the captured track is to be sent. */
  isOn: boolean;
  /** The track that is sent. */
  sent: MediaStreamTrack | null;
  /** Number of the latest processing, to recognise superseded ones. */
  run: number;
  pending: Promise<unknown>;
}

/** Processors by kind. */
export interface Processors {
  readonly audio?: TrackProcessor | undefined;
  readonly video?: TrackProcessor | undefined;
}

/**
 * Local media whose tracks pass a processor of the app before they are sent and shown. Until a new track is processed,
 * nothing of it is sent. The captured track is used if the processor fails.
 */
export class ProcessedMedia implements LocalMedia {
  readonly #inner: LocalMedia;
  readonly #clock: Clock;
  readonly #emitter: Emitter<LocalMediaEvents>;
  readonly #end = new AbortController();
  readonly #devices: Readonly<Record<Device, Processed>>;
  readonly #stream = new MediaStream();
  readonly #removeListeners: readonly (() => void)[];

  /** @param inner - is disposed together with this object */
  constructor(inner: LocalMedia, clock: Clock) {
    this.#inner = inner;
    this.#clock = clock;
    this.#emitter = new Emitter<LocalMediaEvents>(rethrow);
    this.#devices = { mic: this.#deviceOf('mic'), camera: this.#deviceOf('camera') };
    for (const { captured } of Object.values(this.#devices))
      if (captured !== undefined) this.#stream.addTrack(captured);
    this.#removeListeners = [
      inner.on('slot', ({ slot, track }) => {
        if (slot === 'mic' || slot === 'camera') this.#onCaptured(slot, track);
        else this.#emit('slot', { slot, track });
      }),
      inner.on('ended', (ended) => this.#emit('ended', ended)),
      inner.on('failed', (failed) => this.#emit('failed', failed)),
      inner.on('devicechange', (devices) => this.#emit('devicechange', devices)),
    ];
  }

  get stream(): MediaStream | undefined {
    return this.#stream.getTracks().length > 0 ? this.#stream : undefined;
  }

  get screenStream(): MediaStream | undefined {
    return this.#inner.screenStream;
  }

  isSending(slot: Slot): boolean {
    return slot === 'mic' || slot === 'camera' ? this.#devices[slot].sent !== null : this.#inner.isSending(slot);
  }

  isEnabled(slot: Device): boolean {
    return this.#inner.isEnabled?.(slot) ?? this.#inner.isSending(slot);
  }

  async start(sources: Required<CallMedia>, signal: AbortSignal): Promise<void> {
    await this.#inner.start(sources, signal);
    await this.#settled('mic', 'camera');
    signal.throwIfAborted();
  }

  async setEnabled(slot: Device, enabled: boolean): Promise<void> {
    await this.#inner.setEnabled(slot, enabled);
    await this.#settled(slot);
  }

  shareScreen(options: ScreenShareOptions, signal: AbortSignal): Promise<void> {
    return this.#inner.shareScreen(options, signal);
  }

  stopScreenShare(): void {
    this.#inner.stopScreenShare();
  }

  async switchDevice(kind: 'audioinput' | 'videoinput', choice: DeviceChoice): Promise<void> {
    await this.#inner.switchDevice(kind, choice);
    await this.#settled(kind === 'audioinput' ? 'mic' : 'camera');
  }

  /** Processes the tracks of a device from now on, the open one included. `undefined` ends it. */
  async setProcessor(slot: Device, processor: TrackProcessor | undefined): Promise<void> {
    const device = this.#devices[slot];
    device.processor = processor;
    if (device.opened !== undefined) this.#process(slot, device.opened);
    await this.#settled(slot);
  }

  devices(): Promise<MediaDeviceInfo[]> {
    return this.#inner.devices();
  }

  dispose(): void {
    if (this.#end.signal.aborted) return;
    this.#end.abort(new CommError('NOT_FOUND', 'The call has ended'));
    for (const removeListener of this.#removeListeners) removeListener();
    for (const device of Object.values(this.#devices)) {
      device.processing?.release();
      device.sent = null;
    }
    for (const track of this.#stream.getTracks()) this.#stream.removeTrack(track);
    this.#inner.dispose();
  }

  on<K extends keyof LocalMediaEvents>(event: K, listener: (payload: LocalMediaEvents[K]) => void): () => void {
    return this.#emitter.on(event, listener);
  }

  #deviceOf(slot: Device): Processed {
    const kind = slot === 'mic' ? 'audio' : 'video';
    const captured = this.#inner.stream?.getTracks().find((track) => track.kind === kind);
    const isOn = captured !== undefined && this.#inner.isSending(slot);
    const sent = isOn ? captured : null;
    const pending = Promise.resolve();
    return { processor: undefined, opened: captured, captured, processing: undefined, isOn, sent, run: 0, pending };
  }

  /** The device was opened, switched or turned on with `track`, or turned off. */
  #onCaptured(slot: Device, track: MediaStreamTrack | null): void {
    const device = this.#devices[slot];
    device.isOn = track !== null;
    const { opened } = device;
    if (track !== null && track !== opened) {
      device.opened = track;
      return this.#process(slot, track);
    }
    // A muted microphone stays open, and its processor with it.
    const isOpen = opened !== undefined && this.#inner.stream?.getTracks().includes(opened) === true;
    if (track !== null || isOpen) return this.#send(slot);
    device.opened = undefined;
    this.#use(slot, undefined, undefined);
  }

  #process(slot: Device, captured: MediaStreamTrack): void {
    const device = this.#devices[slot];
    const { processor } = device;
    if (processor === undefined) return this.#use(slot, captured, undefined);
    const run = (device.run += 1);
    const isCurrent = (): boolean => run === device.run && !this.#end.signal.aborted;
    let runInUse: number | undefined;
    const done = processTrack(captured, processor, {
      clock: this.#clock,
      end: this.#end.signal,
      onError: (error) => this.#emit('failed', { slot, error }),
      onEnded: (error) => {
        // What replaces it is already being processed or opened.
        if (device.run !== runInUse || captured.readyState === 'ended') return;
        this.#emit('failed', { slot, error });
        this.#use(slot, captured, undefined);
      },
    }).then((processing) => {
      if (!isCurrent()) return processing?.release();
      this.#use(slot, captured, processing);
      runInUse = device.run;
    });
    // Rejects only if the media is disposed.
    device.pending = done.catch(() => undefined);
  }

  /** Replaces the open track of a device. */
  #use(slot: Device, captured: MediaStreamTrack | undefined, processing: Processing | undefined): void {
    const device = this.#devices[slot];
    const before = outputOf(device);
    const { processing: previous } = device;
    device.run += 1;
    device.captured = captured;
    device.processing = processing;
    // A processing that is still pending is superseded.
    device.pending = Promise.resolve();
    const output = outputOf(device);
    if (before !== undefined && before !== output) this.#stream.removeTrack(before);
    if (output !== undefined) this.#stream.addTrack(output);
    this.#send(slot);
    // Stopped after the sender has dropped the track; otherwise a black frame would be sent.
    if (previous !== undefined) queueMicrotask(() => previous.release());
  }

  #send(slot: Device): void {
    const device = this.#devices[slot];
    const sent = device.isOn ? (outputOf(device) ?? null) : null;
    if (sent === device.sent) return;
    device.sent = sent;
    this.#emit('slot', { slot, track: sent });
  }

  async #settled(...slots: readonly Device[]): Promise<void> {
    await Promise.all(slots.map((slot) => this.#devices[slot].pending));
  }

  #emit<K extends keyof LocalMediaEvents>(event: K, payload: LocalMediaEvents[K]): void {
    if (!this.#end.signal.aborted) this.#emitter.emit(event, payload);
  }
}

function outputOf({ captured, processing }: Processed): MediaStreamTrack | undefined {
  return processing?.track ?? captured;
}

/** A listener of this package that throws is a defect, which must not go unnoticed. */
function rethrow(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}

/** Processes what a device of a call captures from now on. `undefined` ends it. */
export async function setProcessor(
  media: SessionMedia,
  kind: keyof Processors,
  processor: TrackProcessor | undefined,
): Promise<void> {
  await processed(media).setProcessor(kind === 'audio' ? 'mic' : 'camera', processor);
}

/** Processes what a call captures, from its first track on. */
export async function setProcessors(media: SessionMedia, processors: Processors): Promise<void> {
  await Promise.all((['audio', 'video'] as const).map((kind) => setProcessor(media, kind, processors[kind])));
}

function processed(media: SessionMedia): ProcessedMedia {
  if (media.local instanceof ProcessedMedia) return media.local;
  const local = new ProcessedMedia(media.local, media.clock);
  media.useLocal({ local, slots: [] });
  return local;
}
