/** An Engine.IO connection, as far as it tells what comes in and when it hands packets to its transport. */
interface FlushingConnection {
  on(event: 'flush' | 'packet', listener: () => void): unknown;
  readonly transport?: object | undefined;
}

/** What a `net.Socket` is here. */
interface Corkable {
  cork(): void;
  uncork(): void;
}

interface Line {
  /** Its peer has asked for something since it was last written to. */
  asked: boolean;
}

const coalesced = new WeakSet<FlushingConnection>();
/** What is held back until the end of this turn. */
const corked = new Map<Corkable, Line>();

/**
 * Packets that are flushed together leave in one write. By itself every WebSocket frame is a system call of its own at
 * this end and a wake-up at the other, and a group commit answers many messages at the same moment: their frames are
 * what a busy server spends most of its time on.
 *
 * Whoever asked is written to last: they know what they said, and the others wait for it.
 */
export function coalesceWrites(connection: FlushingConnection): void {
  if (coalesced.has(connection)) return;
  coalesced.add(connection);
  const line: Line = { asked: false };
  connection.on('packet', () => {
    line.asked = true;
  });
  connection.on('flush', () => {
    const stream = streamOf(connection.transport);
    if (stream === undefined || corked.has(stream)) return;
    stream.cork();
    // After the promise callbacks that are ready now: what they answer with goes along.
    if (corked.size === 0) process.nextTick(release);
    corked.set(stream, line);
  });
}

function release(): void {
  const held = [...corked];
  corked.clear();
  for (const [stream, { asked }] of held) if (!asked) stream.uncork();
  for (const [stream, line] of held) {
    if (!line.asked) continue;
    line.asked = false;
    stream.uncork();
  }
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
