/** As much as may wait behind what is being sent: far more than a slow line needs, far less than a process has. */
const MAX_QUEUED_BYTES = 8 * 1_024 * 1_024;

/** An Engine.IO connection, as far as it tells what it sends. */
export interface EngineConnection {
  on(event: 'packetCreate', listener: (packet: { data?: unknown }) => void): unknown;
  on(event: 'flush', listener: () => void): unknown;
  close(discard?: boolean): unknown;
  readonly transport?: object | undefined;
}

const guarded = new WeakSet<EngineConnection>();

/**
 * Closes a connection whose peer doesn't read: what waits to be handed to the transport would grow for ever. One answer
 * may be as large as it is, such as that to a `sync` after a long absence. The peer comes back and catches up by its cursors.
 */
export function guardSlowConsumer(connection: EngineConnection, closed: () => void, maxBytes = MAX_QUEUED_BYTES): void {
  if (guarded.has(connection)) return;
  guarded.add(connection);
  let queuedBytes = 0;
  let largestBytes = 0;
  connection.on('flush', () => {
    queuedBytes = 0;
    largestBytes = 0;
  });
  connection.on('packetCreate', ({ data }) => {
    // Told of before it is handed to the transport, also when nothing waits: so the largest one never counts.
    const bytes = sizeOf(data);
    queuedBytes += bytes;
    largestBytes = Math.max(largestBytes, bytes);
    if (queuedBytes - largestBytes <= maxBytes) return;
    queuedBytes = 0;
    largestBytes = 0;
    closed();
    connection.close(true);
    terminate(connection.transport);
  });
}

function sizeOf(data: unknown): number {
  if (typeof data === 'string') return data.length;
  return data instanceof Uint8Array ? data.byteLength : 0;
}

/** A WebSocket closes by sending a frame, which would wait behind everything else. */
function terminate(transport: object | undefined): void {
  const webSocket: unknown = transport === undefined ? undefined : Reflect.get(transport, 'socket');
  if (typeof webSocket !== 'object' || webSocket === null) return;
  const cut: unknown = Reflect.get(webSocket, 'terminate');
  if (typeof cut === 'function') cut.call(webSocket);
}
