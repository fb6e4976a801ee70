import type { Clock } from '../../../lib/clock.ts';
import { KeyedTimers } from '../../../lib/keyed-timers.ts';
import type { CommError } from '../../../protocol/errors.ts';
import type { DeviceChoice, TrackSource } from '../webrtc/media-backend.ts';
import { countTimers, listen } from '../webrtc/resource-counters.ts';
import { captureTracks, releaseTrack } from './captured-tracks.ts';
import { causeName, requireMediaDevices, toMediaError } from '../../devices/media-errors.ts';

/** A track that ended within this time counts as unusable. */
const USABLE_MS = 10_000;
/** Delays before an unusable device is replaced. After the last one it is turned off. */
const REPLACE_DELAYS_MS = [0, 500, 1_000, 2_000, 4_000] as const;

/** Callbacks of a {@link CaptureDevice}. */
export interface CaptureDeviceHost {
  /** The track to send changed. */
  onSending(track: MediaStreamTrack | null): void;
  /** The open track changed. */
  onTrack(track: MediaStreamTrack | undefined, previous: MediaStreamTrack | undefined): void;
  /** The device was unplugged and could not be replaced. */
  onUnplugged(): void;
  /** The device could not be turned on. */
  onFailed(error: CommError): void;
}

/**
 * The microphone or the camera. Requests set the desired state at once; a queue of steps applies it, and each step reads
 * the desired state when it runs, so the last request wins. Turning a camera off closes it. Turning a microphone off keeps
 * it open without sending, so that it can be turned on without delay.
 */
export class CaptureDevice {
  readonly #kind: 'audio' | 'video';
  readonly #host: CaptureDeviceHost;
  readonly #end: AbortSignal;
  readonly #clock: Clock;
  readonly #timers: KeyedTimers<'replace'>;
  #constraints: MediaTrackConstraints;
  #track: MediaStreamTrack | undefined;
  #isAppTrack = false;
  #listening: AbortController | undefined;
  #enabled = false;
  #sent: MediaStreamTrack | null = null;
  /** Number of requests, to recognise superseded ones. */
  #request = 0;
  #queue: Promise<unknown> = Promise.resolve();
  /** When the current track was opened. */
  #openedAt = 0;
  /** Number of consecutive tracks that ended shortly after they were opened. */
  #unusable = 0;

  /** @param end - aborted when the call ends */
  constructor(
    kind: 'audio' | 'video',
    defaults: MediaTrackConstraints,
    host: CaptureDeviceHost,
    clock: Clock,
    end: AbortSignal,
  ) {
    this.#kind = kind;
    this.#constraints = defaults;
    this.#host = host;
    this.#clock = clock;
    this.#timers = new KeyedTimers(countTimers(clock));
    this.#end = end;
  }

  /** True while a track is sent. */
  get isSending(): boolean {
    return this.#sent !== null;
  }

  /** True if the device is to be on, also while it is opening. */
  get isEnabled(): boolean {
    return this.#enabled;
  }

  /** Sets what to capture. Returns the constraints to open a device with, or `undefined` if none has to be opened. */
  setSource(source: TrackSource): MediaTrackConstraints | undefined {
    this.#enabled = source !== false;
    this.#request += 1;
    if (source instanceof MediaStreamTrack) {
      this.setTrack(source, true);
      return undefined;
    }
    if (typeof source === 'object') this.#constraints = { ...this.#constraints, ...source };
    return this.#enabled && this.#track === undefined ? this.#constraints : undefined;
  }

  /** Replaces the open track, and sends it if the device is enabled. */
  setTrack(track: MediaStreamTrack, isAppTrack = false): void {
    const previous = this.#track;
    this.#listening?.abort();
    this.#listening = new AbortController();
    this.#track = track;
    this.#isAppTrack = isAppTrack;
    this.#openedAt = this.#clock.now();
    listen(track, 'ended', () => this.#onEnded(track), this.#listening.signal);
    this.#host.onTrack(track, previous);
    this.#applyState();
    releaseTrack(previous);
  }

  /** Turns the device on or off. Resolves when the state is applied or superseded. */
  setEnabled(enabled: boolean): Promise<void> {
    this.#enabled = enabled;
    this.#request += 1;
    this.#unusable = 0;
    return this.#reconcile(this.#request, (error) => this.#host.onFailed(error));
  }

  /** Switches to another device, also for later captures. If it fails, the previous track continues. */
  async switchTo(choice: DeviceChoice): Promise<void> {
    const { switchDevice } = await import('./device-switch.ts');
    await this.#enqueue(async () => {
      this.#constraints = await switchDevice(
        {
          kind: this.#kind,
          track: this.#track,
          isAppTrack: this.#isAppTrack,
          constraints: withoutDevice(this.#constraints),
          end: this.#end,
          open: (constraints) => this.#open(constraints),
          setTrack: (track) => this.setTrack(track),
          turnOff: () => this.#turnOff(),
        },
        choice,
      );
      this.#unusable = 0;
    });
  }

  /** Stops the track if it was opened here. */
  dispose(): void {
    this.#timers.clear();
    this.#listening?.abort();
    releaseTrack(this.#track);
    this.#track = undefined;
  }

  #enqueue<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(task);
    this.#queue = result.catch(() => undefined);
    return result;
  }

  /** Applies the desired state. A failure is reported only if no later request superseded this one. */
  #reconcile(request: number, onFailed: (error: CommError) => void): Promise<void> {
    return this.#enqueue(async () => {
      if (this.#enabled && this.#track === undefined) {
        try {
          this.setTrack(await this.#openAny());
        } catch (error) {
          if (this.#end.aborted || request !== this.#request) return;
          this.#enabled = false;
          this.#applyState();
          const reason = toMediaError(error);
          onFailed(reason);
          throw reason;
        }
      }
      this.#applyState();
    });
  }

  /** Opens the chosen device, or another one if it was unplugged while it was off. */
  async #openAny(): Promise<MediaStreamTrack> {
    const others = withoutDevice(this.#constraints);
    try {
      return await this.#open(this.#constraints);
    } catch (error) {
      if (this.#end.aborted || !/^(NotFound|Overconstrained)Error$/.test(causeName(error))) throw error;
      if (Object.keys(others).length === Object.keys(this.#constraints).length) throw error;
    }
    const track = await this.#open(others);
    this.#constraints = others;
    return track;
  }

  async #open(constraints: MediaTrackConstraints): Promise<MediaStreamTrack> {
    const devices = requireMediaDevices();
    try {
      const [track] = await captureTracks(() => devices.getUserMedia({ [this.#kind]: constraints }), this.#end);
      if (track === undefined) throw new DOMException('The browser returned no track', 'NotFoundError');
      return track;
    } catch (error) {
      throw this.#end.aborted ? error : toMediaError(error);
    }
  }

  #applyState(): void {
    if (this.#end.aborted) return;
    if (!this.#enabled && this.#kind === 'video' && !this.#isAppTrack) this.#closeTrack();
    const sent = this.#enabled ? (this.#track ?? null) : null;
    if (sent === this.#sent) return;
    this.#sent = sent;
    this.#host.onSending(sent);
  }

  #closeTrack(): void {
    const track = this.#track;
    if (track === undefined) return;
    this.#listening?.abort();
    this.#track = undefined;
    this.#host.onTrack(undefined, track);
    // Stopped after the sender has dropped the track; otherwise a black frame would be sent.
    queueMicrotask(() => releaseTrack(track));
  }

  /** The track ended, because the device was unplugged or access was revoked. Another device replaces it. */
  #onEnded(track: MediaStreamTrack): void {
    if (track !== this.#track) return;
    const wasEnabled = this.#enabled;
    // A track of the app is not replaced.
    if (this.#isAppTrack) this.#enabled = false;
    this.#closeTrack();
    this.#isAppTrack = false;
    this.#constraints = withoutDevice(this.#constraints);
    this.#applyState();
    if (this.#enabled) this.#replaceLater();
    else if (wasEnabled) this.#host.onUnplugged();
  }

  /** A device that ends as soon as it is opened is reopened a few times, with growing delays. */
  #replaceLater(): void {
    const isUnusable = this.#clock.now() - this.#openedAt < USABLE_MS;
    const delayMs = REPLACE_DELAYS_MS[isUnusable ? this.#unusable : 0];
    this.#unusable = isUnusable ? this.#unusable + 1 : 0;
    if (delayMs === undefined) return this.#turnOff();
    this.#timers.set('replace', delayMs, () => {
      this.#reconcile(this.#request, () => this.#host.onUnplugged()).catch(() => undefined);
    });
  }

  #turnOff(): void {
    this.#enabled = false;
    this.#closeTrack();
    this.#applyState();
    this.#host.onUnplugged();
  }
}

/** Returns the constraints that any device of the kind can meet. */
function withoutDevice(constraints: MediaTrackConstraints): MediaTrackConstraints {
  const others = { ...constraints };
  for (const name of ['deviceId', 'groupId', 'facingMode'] as const) delete others[name];
  return others;
}
