import type { FrameKeys, SFrame } from './sframe.ts';

/** A message of the page to the worker. */
export type FrameWorkerMessage =
  /** The key to encrypt with from now on. */
  | { readonly type: 'own-key'; readonly keyId: number; readonly secret: Uint8Array<ArrayBuffer> }
  /** A key of a peer to decrypt with. */
  | {
      readonly type: 'peer-key';
      readonly peer: string;
      readonly keyId: number;
      readonly secret: Uint8Array<ArrayBuffer>;
    }
  /** A peer left; its keys are discarded. */
  | { readonly type: 'peer-left'; readonly peer: string };

/** Options of one RTCRtpScriptTransform. */
export interface FrameTransformOptions {
  readonly operation: 'encrypt' | 'decrypt';
  /** The device whose frames pass through. */
  readonly peer: string;
  /** Part of the authenticated data, so that frames of one slot can't be replayed in another. */
  readonly slotIndex: number;
  readonly video: boolean;
}

interface EncodedFrame {
  data: ArrayBuffer;
  /** `key` or `delta` for video frames. */
  readonly type?: string;
}
interface Transformer {
  readonly readable: ReadableStream<EncodedFrame>;
  readonly writable: WritableStream<EncodedFrame>;
  readonly options: FrameTransformOptions;
}
/** The part of DedicatedWorkerGlobalScope that this worker uses (W3C webrtc-encoded-transform). */
export interface FrameWorkerScope {
  onmessage: ((event: { readonly data: FrameWorkerMessage }) => void) | null;
  onrtctransform: ((event: { readonly transformer: Transformer }) => void) | null;
}

/**
 * Encrypts and decrypts frames in a worker. Must not use anything outside of its body except its parameters, because its
 * source text is run in the worker. Frames that can't be encrypted or decrypted are dropped: unencrypted frames are
 * neither sent nor passed to a decoder.
 */
export function frameWorker(frames: SFrame, scope: FrameWorkerScope): void {
  /** Number of keys kept per peer. */
  const MAX_KEYS = 4;
  /** Size of the replay window, in frames. */
  const REPLAY_WINDOW = 512;
  // Bytes that the packetizer reads stay unencrypted: of VP8 frames (RFC 7741, 4.3) and of Opus (RFC 6716, 3.1).
  const UNENCRYPTED_BYTES = { key: 10, delta: 3, audio: 1 };

  const peerKeys = new Map<string, Map<number, Promise<FrameKeys>>>();
  let own: { readonly keyId: number; readonly keys: Promise<FrameKeys>; counter: number } | undefined;

  scope.onmessage = ({ data }) => {
    if (data.type === 'peer-left') {
      peerKeys.delete(data.peer);
      return;
    }
    const derived = frames.derive(data.secret, data.keyId);
    if (data.type === 'own-key') {
      own = { keyId: data.keyId, keys: derived, counter: 0 };
      return;
    }
    const keys = peerKeys.get(data.peer) ?? new Map<number, Promise<FrameKeys>>();
    // A known key id is never replaced: the counters of another key would repeat.
    if (!keys.has(data.keyId)) keys.set(data.keyId, derived);
    for (const oldest of keys.keys()) if (keys.size > MAX_KEYS) keys.delete(oldest);
    peerKeys.set(data.peer, keys);
  };

  scope.onrtctransform = ({ transformer: { readable, writable, options } }) => {
    const cipher = options.operation === 'encrypt' ? encryptor() : decryptor(options);
    const transform = async (
      frame: EncodedFrame,
      controller: TransformStreamDefaultController<EncodedFrame>,
    ): Promise<void> => {
      const bytes = new Uint8Array(frame.data);
      const { key, delta, audio } = UNENCRYPTED_BYTES;
      const prefixLength = options.video ? (frame.type === 'key' ? key : delta) : audio;
      const prefix = bytes.slice(0, prefixLength);
      const metadata = frames.concat(Uint8Array.of(options.slotIndex), prefix);
      const output = await cipher(metadata, bytes.slice(prefixLength)).catch(() => undefined);
      if (output === undefined) return;
      frame.data = frames.concat(prefix, output).buffer;
      controller.enqueue(frame);
    };
    readable
      .pipeThrough(new TransformStream({ transform }))
      .pipeTo(writable)
      // The connection was closed.
      .catch(() => undefined);
  };

  type Cipher = (
    metadata: Uint8Array<ArrayBuffer>,
    body: Uint8Array<ArrayBuffer>,
  ) => Promise<Uint8Array<ArrayBuffer> | undefined>;

  function encryptor(): Cipher {
    return async (metadata, body) => {
      if (own === undefined) return undefined;
      const { keyId, keys } = own;
      // Incremented before the first await: all slots and peers share the counter, and no value may be used twice.
      const counter = own.counter++;
      return frames.encrypt(await keys, keyId, counter, metadata, body);
    };
  }

  function decryptor({ peer }: FrameTransformOptions): Cipher {
    /** Replay protection: the newest key, its highest counter and the recent counters. */
    let [newestKeyId, highest] = [-1, -1];
    let seen = new Set<number>();
    return async (metadata, body) => {
      const header = frames.parse(body);
      const keys = header && (await peerKeys.get(peer)?.get(header.keyId));
      if (header === undefined || keys === undefined) return undefined;
      const { keyId, counter } = header;
      const isNewKey = keyId > newestKeyId;
      if (keyId === newestKeyId && (seen.has(counter) || counter <= highest - REPLAY_WINDOW)) return undefined;
      const decrypted = await frames.decrypt(keys, header, metadata, body);
      // Updated only after the header is authenticated.
      if (isNewKey) [newestKeyId, highest, seen] = [keyId, counter, new Set()];
      if (keyId === newestKeyId) {
        highest = Math.max(highest, counter);
        seen.add(counter);
        for (const old of seen) if (old <= highest - REPLAY_WINDOW) seen.delete(old);
      }
      return decrypted;
    };
  }
}
