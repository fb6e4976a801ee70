import { webSocketReceiver, type Receiver } from './web-socket-stream.ts';

/**
 * Work of one turn, in units: a frame costs one and one for each {@link BYTES_PER_UNIT}; a part of a chunk costs one
 * besides. A frame of a request takes 50 to 100 µs.
 */
export const UNITS_PER_TURN = 64;
const BYTES_PER_UNIT = 1_024;
/** Size of the parts in which a chunk is passed on. */
export const PART_BYTES = 2_048;
/** Number of packets of a long-polling request that are passed on as one part. */
const PART_PACKETS = 8;
/** Separates the packets in the body of a long-polling request. */
const SEPARATOR = '\u001E';

/** Handles a part of what a connection has received. Returns whether another part is ready. */
export type Step = () => boolean;

/**
 * Bounds the frames that are handled in one turn of the event loop, over all connections: a chunk of 64 KiB can contain a
 * thousand frames. What exceeds the bound is handled in later turns, one part of each connection after the other. The frames
 * of one connection keep their order.
 */
export class FrameTurns {
  #left = UNITS_PER_TURN;
  readonly #waiting = new Set<Step>();
  #isScheduled = false;

  /** Counts a frame that is handled in this turn. */
  count(bytes: number): void {
    this.#spend(1 + bytes / BYTES_PER_UNIT);
  }

  /** Calls `step` until no part is ready: in this turn as far as the bound allows, then in later turns. */
  run(step: Step): void {
    while (this.#waiting.size === 0 && this.#left > 0) {
      this.#spend(1);
      if (!step()) return;
    }
    this.#waiting.add(step);
  }

  #spend(units: number): void {
    this.#left -= units;
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => this.#nextTurn());
  }

  #nextTurn(): void {
    this.#left = UNITS_PER_TURN;
    this.#isScheduled = false;
    for (const step of this.#waiting) {
      if (this.#left <= 0) break;
      this.#waiting.delete(step);
      this.#spend(1);
      // Added at the end, so that the loop comes to it again after the other connections.
      if (step()) this.#waiting.add(step);
    }
  }
}

/** Spreads the frames that a transport of Engine.IO receives over several turns. Other servers' transports stay as they are. */
export function spreadFrames(transport: object, turns: FrameTurns): void {
  const receiver = webSocketReceiver(transport);
  if (receiver !== undefined) spreadChunks(receiver, turns);
  else if (Reflect.get(transport, 'name') === 'polling') spreadPayloads(transport, turns);
}

/** Passes chunks of the TCP stream to the WebSocket's parser in parts. Until one is done, the stream buffers or pauses. */
function spreadChunks(receiver: Receiver, turns: FrameTurns): void {
  const write = receiver._write.bind(receiver);
  receiver._write = (chunk, encoding, done) => {
    let at = 0;
    const step: Step = () => {
      let [isReturned, isReady] = [false, false];
      const part = chunk.subarray(at, (at += PART_BYTES));
      write(part, encoding, (error) => {
        if (error instanceof Error || at >= chunk.length) done(error);
        // Decompression is asynchronous.
        else if (isReturned) turns.run(step);
        else isReady = true;
      });
      isReturned = true;
      return isReady;
    };
    turns.run(step);
  };
}

interface DataResponse {
  writeHead(status: number, headers?: object): DataResponse;
  end(body?: string): unknown;
}

/**
 * Passes the packets of a long-polling request on in parts, and answers the request when all are handled: after the
 * answer the client may send another request, or change the transport.
 */
function spreadPayloads(transport: object, turns: FrameTurns): void {
  const [receive, handle]: unknown[] = ['onData', 'onDataRequest'].map((name): unknown => Reflect.get(transport, name));
  if (typeof receive !== 'function' || typeof handle !== 'function') return;
  let isHandled: Promise<void> | undefined;
  Reflect.set(transport, 'onData', (payload: unknown) => {
    if (typeof payload !== 'string') return void receive.call(transport, payload);
    const packets = payload.split(SEPARATOR);
    let at = 0;
    isHandled = new Promise((resolve) => {
      turns.run(() => {
        receive.call(transport, packets.slice(at, (at += PART_PACKETS)).join(SEPARATOR));
        if (at >= packets.length) resolve();
        return at < packets.length;
      });
    });
  });
  Reflect.set(transport, 'onDataRequest', (request: unknown, response: DataResponse) => {
    const answer: DataResponse = {
      writeHead(status, headers) {
        response.writeHead(status, headers);
        return answer;
      },
      end(body) {
        const handled = isHandled;
        isHandled = undefined;
        if (handled === undefined) response.end(body);
        else void handled.then(() => response.end(body));
      },
    };
    handle.call(transport, request, answer);
  });
}
