import type { RandomSource } from '../../../lib/random.ts';
import type { Clock } from '../../../lib/clock.ts';
import { KeyedTimers } from '../../../lib/keyed-timers.ts';
import type { MediaKey, MediaKeyPort, PeerId, Slot } from '../webrtc/media-backend.ts';
import { countTimers, resourceCounters } from '../webrtc/resource-counters.ts';
import { frameWorker, type FrameTransformOptions, type FrameWorkerMessage } from './frame-worker.ts';
import { sframe } from './sframe.ts';

/** A new key is used after this time even if not all peers have received it. */
const ROTATION_TIMEOUT_MS = 2_000;
/** The index of a slot is part of the authenticated data of its frames. */
const SLOT_ORDER: readonly Slot[] = ['mic', 'camera', 'screen', 'screenAudio'];

/** Dependencies of {@link FrameCryptor}. */
export interface FrameCryptorOptions {
  readonly clock: Clock;
  readonly random: Pick<RandomSource, 'bytes'>;
  readonly report: (error: unknown) => void;
}

/**
 * Encrypts frames end to end (`RTCRtpScriptTransform`) with one sender key per device. The key is replaced when a peer
 * leaves, so that the peer can't decrypt later frames. It isn't replaced when a peer joins: a recording of earlier frames
 * under the same key could be decrypted by that peer.
 */
export class FrameCryptor {
  readonly #port: MediaKeyPort;
  readonly #keyOf: (peer: PeerId) => string;
  readonly #random: Pick<RandomSource, 'bytes'>;
  readonly #report: (error: unknown) => void;
  readonly #worker: Worker;
  readonly #url: string;
  readonly #timers: KeyedTimers<'rotation'>;
  readonly #peers = new Map<string, PeerId>();
  readonly #removeListener: () => void;
  #ownKey: MediaKey;

  /**
   * @param keyOf - returns a unique string for a device
   * @throws TypeError if `RTCRtpScriptTransform` is missing
   */
  constructor(port: MediaKeyPort, keyOf: (peer: PeerId) => string, options: FrameCryptorOptions) {
    if (typeof RTCRtpScriptTransform !== 'function') throw new TypeError('RTCRtpScriptTransform is not supported');
    this.#port = port;
    this.#keyOf = keyOf;
    this.#random = options.random;
    this.#report = options.report;
    this.#timers = new KeyedTimers(countTimers(options.clock));
    this.#ownKey = this.#createKey(0);
    // Created from the source text of two functions, so that bundlers need no configuration for workers. A content
    // security policy must allow `worker-src blob:`.
    const source = `(${frameWorker.toString()})((${sframe.toString()})(), self)`;
    this.#url = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
    this.#worker = new Worker(this.#url);
    resourceCounters.workers += 1;
    this.#post({ type: 'own-key', ...this.#ownKey });
    this.#removeListener = port.onKey((peer, { keyId, secret }) => {
      this.#post({ type: 'peer-key', peer: keyOf(peer), keyId, secret });
    });
  }

  /** Returns whether frames to and from a device are encrypted. */
  isEncrypted(peer: PeerId): boolean {
    return this.#peers.has(this.#keyOf(peer));
  }

  /** Sends the current key to a peer that joined, if the peer supports frame encryption. */
  peerJoined(peer: PeerId): void {
    if (!this.#port.supports(peer)) return;
    this.#peers.set(this.#keyOf(peer), peer);
    this.#port.send(peer, this.#ownKey).catch(this.#report);
  }

  /** Removes a peer and rotates the key. */
  peerLeft(peer: PeerId): void {
    if (!this.#peers.delete(this.#keyOf(peer))) return;
    this.#post({ type: 'peer-left', peer: this.#keyOf(peer) });
    const next = this.#createKey(this.#ownKey.keyId + 1);
    this.#ownKey = next;
    const activate = (): void => {
      this.#timers.cancel('rotation');
      if (this.#ownKey === next) this.#post({ type: 'own-key', ...next });
    };
    this.#timers.set('rotation', ROTATION_TIMEOUT_MS, activate);
    // Peers need the key before the first frame that is encrypted with it.
    const sent = Array.from(this.#peers.values(), (each) => this.#port.send(each, next).catch(this.#report));
    void Promise.all(sent).then(activate);
  }

  /** Installs the transforms of a transceiver. Call it before any frame passes through. */
  attach(peer: PeerId, slot: Slot, transceiver: RTCRtpTransceiver): void {
    if (!this.isEncrypted(peer)) return;
    const slotIndex = SLOT_ORDER.indexOf(slot);
    const video = transceiver.receiver.track.kind === 'video';
    const transform = (operation: FrameTransformOptions['operation']): RTCRtpScriptTransform =>
      new RTCRtpScriptTransform(this.#worker, { operation, peer: this.#keyOf(peer), slotIndex, video });
    transceiver.sender.transform = transform('encrypt');
    transceiver.receiver.transform = transform('decrypt');
    if (!video) return;
    // The packetizers of other codecs read more of a frame than the bytes that stay unencrypted.
    const { codecs } = RTCRtpReceiver.getCapabilities('video') ?? { codecs: [] };
    transceiver.setCodecPreferences(codecs.filter(({ mimeType }) => /\/(vp8|rtx|red|ulpfec)$/i.test(mimeType)));
  }

  /** Terminates the worker. */
  close(): void {
    this.#removeListener();
    this.#timers.clear();
    this.#worker.terminate();
    URL.revokeObjectURL(this.#url);
    resourceCounters.workers -= 1;
  }

  #createKey(keyId: number): MediaKey {
    return { keyId, secret: this.#random.bytes(32) };
  }

  #post(message: FrameWorkerMessage): void {
    this.#worker.postMessage(message);
  }
}
