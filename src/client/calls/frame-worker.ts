import type { FrameKeys, SFrame } from './sframe.ts';

/** What the page tells the worker. */
export type FrameOrder =
  /** Sealed with this from now on. */
  | { readonly type: 'own'; readonly keyId: number; readonly secret: Uint8Array<ArrayBuffer> }
  | {
      readonly type: 'theirs';
      readonly ring: string;
      readonly keyId: number;
      readonly secret: Uint8Array<ArrayBuffer>;
    }
  | { readonly type: 'gone'; readonly ring: string };

export interface FrameOptions {
  readonly side: 'seal' | 'open';
  /** Whose frames. */
  readonly ring: string;
  /** The place of the slot: part of what is authenticated, so that no picture is shown in place of another. */
  readonly slot: number;
  readonly video: boolean;
}

interface EncodedFrame {
  data: ArrayBuffer;
  /** Of pictures: `key` or `delta`. */
  readonly type?: string;
}
interface Transformer {
  readonly readable: ReadableStream<EncodedFrame>;
  readonly writable: WritableStream<EncodedFrame>;
  readonly options: FrameOptions;
}
/** A dedicated worker that has encoded transforms (W3C webrtc-encoded-transform). */
export interface FrameScope {
  onmessage: ((event: { readonly data: FrameOrder }) => void) | null;
  onrtctransform: ((event: { readonly transformer: Transformer }) => void) | null;
}

/**
 * Seals and opens frames. One function that needs nothing around it, like `sframe()`. A frame that can't be sealed or
 * opened is dropped: nothing goes out in the clear, and nothing comes in that wasn't sealed.
 */
export function frameWorker(frames: SFrame, scope: FrameScope): void {
  const KEPT_KEYS = 4;
  const WINDOW = 512;
  // What a VP8 packetizer reads of a frame (RFC 7741, 4.3) and Opus of its own (RFC 6716, 3.1) stays readable.
  const CLEAR = { key: 10, delta: 3, sound: 1 };

  const rings = new Map<string, Map<number, Promise<FrameKeys>>>();
  let own: { readonly keyId: number; readonly keys: Promise<FrameKeys>; counter: number } | undefined;

  scope.onmessage = ({ data }) => {
    if (data.type === 'gone') {
      rings.delete(data.ring);
      return;
    }
    const keys = frames.derive(data.secret, data.keyId);
    if (data.type === 'own') {
      own = { keyId: data.keyId, keys, counter: 0 };
      return;
    }
    const ring = rings.get(data.ring) ?? new Map<number, Promise<FrameKeys>>();
    // A key that is known stays what it was: counters of another one would come again.
    if (!ring.has(data.keyId)) ring.set(data.keyId, keys);
    for (const old of ring.keys()) if (ring.size > KEPT_KEYS) ring.delete(old);
    rings.set(data.ring, ring);
  };

  scope.onrtctransform = ({ transformer: { readable, writable, options } }) => {
    const turn = options.side === 'seal' ? sealing() : opening(options);
    const transform = async (
      frame: EncodedFrame,
      controller: TransformStreamDefaultController<EncodedFrame>,
    ): Promise<void> => {
      const bytes = new Uint8Array(frame.data);
      const clear = options.video ? (frame.type === 'key' ? CLEAR.key : CLEAR.delta) : CLEAR.sound;
      const prefix = bytes.slice(0, clear);
      const metadata = frames.concat(Uint8Array.of(options.slot), prefix);
      const turned = await turn(metadata, bytes.slice(clear)).catch(() => undefined);
      if (turned === undefined) return;
      frame.data = frames.concat(prefix, turned).buffer;
      controller.enqueue(frame);
    };
    readable
      .pipeThrough(new TransformStream({ transform }))
      .pipeTo(writable)
      // The connection was closed.
      .catch(() => undefined);
  };

  type Turn = (
    metadata: Uint8Array<ArrayBuffer>,
    body: Uint8Array<ArrayBuffer>,
  ) => Promise<Uint8Array<ArrayBuffer> | undefined>;

  function sealing(): Turn {
    return async (metadata, body) => {
      if (own === undefined) return undefined;
      const { keyId, keys } = own;
      // Taken before anything is awaited: of all frames of all slots to all peers, none shares it.
      const counter = own.counter++;
      return frames.seal(await keys, keyId, counter, metadata, body);
    };
  }

  function opening({ ring }: FrameOptions): Turn {
    /** What came lately, by its key: a frame comes once. */
    let [lastKey, highest] = [-1, -1];
    let seen = new Set<number>();
    return async (metadata, body) => {
      const header = frames.parse(body);
      const keys = header && (await rings.get(ring)?.get(header.keyId));
      if (header === undefined || keys === undefined) return undefined;
      const { keyId, counter } = header;
      const fresh = keyId > lastKey;
      if (keyId === lastKey && (seen.has(counter) || counter <= highest - WINDOW)) return undefined;
      const opened = await frames.open(keys, header, metadata, body);
      // Only now is it known who said so.
      if (fresh) [lastKey, highest, seen] = [keyId, counter, new Set()];
      if (keyId === lastKey) {
        highest = Math.max(highest, counter);
        seen.add(counter);
        for (const old of seen) if (old <= highest - WINDOW) seen.delete(old);
      }
      return opened;
    };
  }
}
