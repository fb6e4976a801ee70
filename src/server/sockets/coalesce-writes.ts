import { webSocketStream } from './web-socket-stream.ts';

/** The events and the transport of an Engine.IO connection. */
interface FlushingConnection {
  on(event: 'flush' | 'packet', listener: () => void): unknown;
  readonly transport?: object | undefined;
}

/** The corking methods of `net.Socket`. */
interface Corkable {
  cork(): void;
  uncork(): void;
}

interface WriteState {
  /** Whether the peer has sent a packet since the last write to it. */
  hasRequest: boolean;
}

const coalesced = new WeakSet<FlushingConnection>();
/** Streams that are corked until the end of this turn of the event loop, or a later one. */
const corked = new Map<Corkable, WriteState>();
/** Streams that are written in one turn. A write takes about 10 µs. */
export const WRITES_PER_TURN = 200;
let isScheduled = false;

/**
 * Writes packets that are flushed in the same turn of the event loop with one system call. Without it, each WebSocket
 * frame costs one system call here and one wake-up at the peer. A group commit answers many messages at the same
 * moment, so that these calls dominate the processor time of a busy server.
 *
 * Connections that have sent a request are written last: their users already know their own message, the others wait
 * for it.
 *
 * A push to hundreds of connections is written in the turns after this one, which it has taken already. Pushes that follow
 * meanwhile are written with it.
 */
export function coalesceWrites(connection: FlushingConnection): void {
  if (coalesced.has(connection)) return;
  coalesced.add(connection);
  const state: WriteState = { hasRequest: false };
  connection.on('packet', () => {
    state.hasRequest = true;
  });
  connection.on('flush', () => {
    const stream = webSocketStream(connection.transport);
    if (stream === undefined || corked.has(stream)) return;
    stream.cork();
    // A tick that is queued by a promise callback runs after all promise callbacks that are ready, so their replies are
    // included.
    if (!isScheduled) process.nextTick(uncorkFew);
    isScheduled = true;
    corked.set(stream, state);
  });
}

function uncorkFew(): void {
  if (corked.size > WRITES_PER_TURN) setImmediate(uncork);
  else uncork();
}

function uncork(): void {
  const streams = [...corked].slice(0, WRITES_PER_TURN);
  for (const [stream] of streams) corked.delete(stream);
  isScheduled = corked.size > 0;
  if (isScheduled) setImmediate(uncork);
  for (const [stream, { hasRequest }] of streams) if (!hasRequest) stream.uncork();
  for (const [stream, state] of streams) {
    if (!state.hasRequest) continue;
    state.hasRequest = false;
    stream.uncork();
  }
}
