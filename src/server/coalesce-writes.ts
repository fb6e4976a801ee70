/** An Engine.IO connection, as far as it tells when it hands packets to its transport. */
interface FlushingConnection {
  on(event: 'flush', listener: () => void): unknown;
  readonly transport?: object | undefined;
}

/** What a `net.Socket` is here. */
interface Corkable {
  cork(): void;
  uncork(): void;
}

const coalesced = new WeakSet<FlushingConnection>();

/**
 * Packets that are flushed together leave in one write. By itself every WebSocket frame is a system call of its own at
 * this end and a wake-up at the other, and a group commit answers many messages at the same moment: their frames are
 * what a busy server spends most of its time on.
 */
export function coalesceWrites(connection: FlushingConnection): void {
  if (coalesced.has(connection)) return;
  coalesced.add(connection);
  connection.on('flush', () => {
    const stream = streamOf(connection.transport);
    if (stream === undefined) return;
    stream.cork();
    // After the promise callbacks that are ready now: what they answer with goes along.
    process.nextTick(uncork, stream);
  });
}

function uncork(stream: Corkable): void {
  stream.uncork();
}

/** The TCP stream below a WebSocket transport; long polling has none of its own, and needs none. */
function streamOf(transport: object | undefined): Corkable | undefined {
  const webSocket: unknown = transport === undefined ? undefined : Reflect.get(transport, 'socket');
  const stream: unknown = isObject(webSocket) ? Reflect.get(webSocket, '_socket') : undefined;
  return isObject(stream) && 'cork' in stream && 'uncork' in stream ? (stream as Corkable) : undefined;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
