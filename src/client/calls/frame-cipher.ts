import type { Clock } from '../../lib/clock.ts';
import { frameWorker, type FrameOptions, type FrameOrder } from './frame-worker.ts';
import { held } from './held.ts';
import type { MediaKey, MediaKeyPort, PeerId, Slot } from './media-backend.ts';
import { sframe } from './sframe.ts';
import { Timers } from './timers.ts';

/** Longer than this the others don't wait for one who doesn't take the new key. */
const ROTATION_MS = 2_000;
const PLACES: readonly Slot[] = ['mic', 'camera', 'screen', 'screenAudio'];

/**
 * End-to-end encryption of frames (`RTCRtpScriptTransform`), with a key of this device for everybody in the call. Whoever
 * leaves knows no later frame, for the key changes then; whoever joins knows no earlier one that was kept by somebody, as
 * long as a key change came between.
 */
export class FrameCipher {
  readonly #port: MediaKeyPort;
  readonly #name: (peer: PeerId) => string;
  readonly #report: (error: unknown) => void;
  readonly #worker: Worker;
  readonly #url: string;
  readonly #timers: Timers<'rotation'>;
  readonly #peers = new Map<string, PeerId>();
  readonly #stop: () => void;
  #own: MediaKey = newKey(0);

  constructor(port: MediaKeyPort, name: (peer: PeerId) => string, clock: Clock, report: (error: unknown) => void) {
    if (typeof RTCRtpScriptTransform !== 'function') throw new TypeError('There is no RTCRtpScriptTransform here');
    this.#port = port;
    this.#name = name;
    this.#report = report;
    this.#timers = new Timers(clock);
    // Made of the text of two functions, so that no bundler has to know of it. A content security policy must have
    // `worker-src blob:`.
    const source = `(${frameWorker.toString()})((${sframe.toString()})(), self)`;
    this.#url = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
    this.#worker = new Worker(this.#url);
    held.workers += 1;
    this.#order({ type: 'own', ...this.#own });
    this.#stop = port.onKey((peer, { keyId, secret }) => {
      this.#order({ type: 'theirs', ring: name(peer), keyId, secret });
    });
  }

  /** Whether frames to and from a device are sealed. */
  protects(peer: PeerId): boolean {
    return this.#peers.has(this.#name(peer));
  }

  joined(peer: PeerId): void {
    if (!this.#port.supports(peer)) return;
    this.#peers.set(this.#name(peer), peer);
    this.#port.send(peer, this.#own).catch(this.#report);
  }

  left(peer: PeerId): void {
    if (!this.#peers.delete(this.#name(peer))) return;
    this.#order({ type: 'gone', ring: this.#name(peer) });
    const next = newKey(this.#own.keyId + 1);
    this.#own = next;
    const change = (): void => {
      this.#timers.disarm('rotation');
      if (this.#own === next) this.#order({ type: 'own', ...next });
    };
    this.#timers.arm('rotation', ROTATION_MS, change);
    // Everybody first, or what is sealed with it is lost on them.
    const sent = Array.from(this.#peers.values(), (each) => this.#port.send(each, next).catch(this.#report));
    void Promise.all(sent).then(change);
  }

  /** Before the first frame goes through. */
  protect(peer: PeerId, slot: Slot, transceiver: RTCRtpTransceiver): void {
    if (!this.protects(peer)) return;
    const place = PLACES.indexOf(slot);
    const video = transceiver.receiver.track.kind === 'video';
    const transform = (side: FrameOptions['side']): RTCRtpScriptTransform =>
      new RTCRtpScriptTransform(this.#worker, { side, ring: this.#name(peer), slot: place, video });
    transceiver.sender.transform = transform('seal');
    transceiver.receiver.transform = transform('open');
    if (!video) return;
    // Packetizers of other codecs read more of a frame than may stay readable.
    const { codecs } = RTCRtpReceiver.getCapabilities('video') ?? { codecs: [] };
    transceiver.setCodecPreferences(codecs.filter(({ mimeType }) => /\/(vp8|rtx|red|ulpfec)$/i.test(mimeType)));
  }

  close(): void {
    this.#stop();
    this.#timers.clear();
    this.#worker.terminate();
    URL.revokeObjectURL(this.#url);
    held.workers -= 1;
  }

  #order(order: FrameOrder): void {
    this.#worker.postMessage(order);
  }
}

function newKey(keyId: number): MediaKey {
  return { keyId, secret: crypto.getRandomValues(new Uint8Array(32)) };
}
