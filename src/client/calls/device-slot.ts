import type { CommError } from '../../protocol/errors.ts';
import { capture, release } from './capture.ts';
import { listen } from './held.ts';
import type { WantedTrack } from './media-backend.ts';
import { mediaDevices, mediaError } from './media-errors.ts';

export interface DeviceSlotHost {
  /** What goes out from now on. */
  sends(track: MediaStreamTrack | null): void;
  /** What is open here, in place of what was. */
  shows(track: MediaStreamTrack | undefined, before: MediaStreamTrack | undefined): void;
  unplugged(): void;
  failed(error: CommError): void;
}

/**
 * Microphone or camera. What is wanted is set at once; one queue of steps makes it so, each looking at what is wanted by
 * then, so the last word wins. Switched off, a camera is closed; a microphone stays open and isn't sent, so that it is back
 * within a moment.
 */
export class DeviceSlot {
  readonly #kind: 'audio' | 'video';
  readonly #host: DeviceSlotHost;
  readonly #end: AbortSignal;
  #constraints: MediaTrackConstraints;
  #deviceId: string | undefined;
  #track: MediaStreamTrack | undefined;
  #ofApp = false;
  #stopListening: AbortController | undefined;
  #on = false;
  #sent: MediaStreamTrack | null = null;
  #wish = 0;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(kind: 'audio' | 'video', defaults: MediaTrackConstraints, host: DeviceSlotHost, end: AbortSignal) {
    this.#kind = kind;
    this.#constraints = defaults;
    this.#host = host;
    this.#end = end;
  }

  get on(): boolean {
    return this.#sent !== null;
  }

  /** @returns what has to be opened for it; nothing where there is nothing to open */
  want(wanted: WantedTrack): MediaTrackConstraints | undefined {
    this.#on = wanted !== false;
    this.#wish += 1;
    if (wanted instanceof MediaStreamTrack) {
      this.take(wanted, true);
      return undefined;
    }
    if (typeof wanted === 'object') this.#constraints = { ...this.#constraints, ...wanted };
    return this.#on && this.#track === undefined ? this.#wanted() : undefined;
  }

  /** Sends a track, if it is still wanted. */
  take(track: MediaStreamTrack, ofApp = false): void {
    const before = this.#track;
    this.#stopListening?.abort();
    this.#stopListening = new AbortController();
    this.#track = track;
    this.#ofApp = ofApp;
    listen(track, 'ended', () => this.#lost(track), this.#stopListening.signal);
    this.#host.shows(track, before);
    this.#settle();
    release(before);
  }

  set(on: boolean): Promise<void> {
    this.#on = on;
    this.#wish += 1;
    return this.#follow(this.#wish, (error) => this.#host.failed(error));
  }

  async switchTo(deviceId: string): Promise<void> {
    await this.#enqueue(async () => {
      if (this.#track !== undefined) {
        this.take(await this.#open({ ...this.#constraints, deviceId: { exact: deviceId } }));
      }
      this.#deviceId = deviceId;
    });
  }

  dispose(): void {
    this.#stopListening?.abort();
    release(this.#track);
    this.#track = undefined;
  }

  #wanted(): MediaTrackConstraints {
    return this.#deviceId === undefined
      ? this.#constraints
      : { ...this.#constraints, deviceId: { exact: this.#deviceId } };
  }

  #enqueue<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(task);
    this.#queue = result.catch(() => undefined);
    return result;
  }

  /** Makes it so. A failure is told only to whoever had the last word. */
  #follow(wish: number, failed: (error: CommError) => void): Promise<void> {
    return this.#enqueue(async () => {
      if (this.#on && this.#track === undefined) {
        try {
          this.take(await this.#open(this.#wanted()));
        } catch (error) {
          if (this.#end.aborted || wish !== this.#wish) return;
          this.#on = false;
          this.#settle();
          const reason = mediaError(error);
          failed(reason);
          throw reason;
        }
      }
      this.#settle();
    });
  }

  async #open(constraints: MediaTrackConstraints): Promise<MediaStreamTrack> {
    const devices = mediaDevices();
    try {
      const [track] = await capture(() => devices.getUserMedia({ [this.#kind]: constraints }), this.#end);
      if (track === undefined) throw new DOMException('Nothing was opened', 'NotFoundError');
      return track;
    } catch (error) {
      throw this.#end.aborted ? error : mediaError(error);
    }
  }

  #settle(): void {
    if (this.#end.aborted) return;
    if (!this.#on && this.#kind === 'video' && !this.#ofApp) this.#drop();
    const sent = this.#on ? (this.#track ?? null) : null;
    if (sent === this.#sent) return;
    this.#sent = sent;
    this.#host.sends(sent);
  }

  #drop(): void {
    const track = this.#track;
    if (track === undefined) return;
    this.#stopListening?.abort();
    this.#track = undefined;
    this.#host.shows(undefined, track);
    // After nobody is shown it any more, or a last black frame would go out.
    queueMicrotask(() => release(track));
  }

  /** Unplugged, or taken away: the default device takes its place, but an app's track has no substitute. */
  #lost(track: MediaStreamTrack): void {
    if (track !== this.#track) return;
    const wanted = this.#on;
    if (this.#ofApp) this.#on = false;
    this.#drop();
    this.#ofApp = false;
    this.#deviceId = undefined;
    const unplugged = (): void => this.#host.unplugged();
    if (this.#on) {
      this.#follow(this.#wish, unplugged).catch(() => undefined);
      return;
    }
    this.#settle();
    if (wanted) unplugged();
  }
}
