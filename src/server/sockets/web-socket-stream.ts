import type { Socket } from 'node:net';

/** The parser of a WebSocket of `ws`: a writable stream that receives the chunks of the TCP stream. */
export interface Receiver {
  _write(chunk: Uint8Array, encoding: unknown, done: (error?: unknown) => void): void;
}

/** Returns the TCP stream of a WebSocket transport. Long polling has no stream of its own. */
export function webSocketStream(transport: object | undefined): Socket | undefined {
  const webSocket = webSocketOf(transport);
  const stream: unknown = isObject(webSocket) ? Reflect.get(webSocket, '_socket') : undefined;
  return isObject(stream) && 'cork' in stream && 'uncork' in stream ? (stream as Socket) : undefined;
}

/** Returns the parser of a WebSocket transport; `undefined` for other transports and other servers' WebSockets. */
export function webSocketReceiver(transport: object | undefined): Receiver | undefined {
  const webSocket = webSocketOf(transport);
  const receiver: unknown = isObject(webSocket) ? Reflect.get(webSocket, '_receiver') : undefined;
  return isReceiver(receiver) ? receiver : undefined;
}

/**
 * Terminates the WebSocket of a transport. A regular close would send a frame, which would be queued behind everything
 * else, and wait for the peer's.
 */
export function terminateWebSocket(transport: object | undefined): void {
  const webSocket = webSocketOf(transport);
  const terminate: unknown = isObject(webSocket) ? Reflect.get(webSocket, 'terminate') : undefined;
  if (typeof terminate === 'function') terminate.call(webSocket);
}

/** Returns the bytes that a WebSocket transport has not passed to the kernel; 0 for other transports. */
export function bufferedAmount(transport: object | undefined): number {
  const webSocket = webSocketOf(transport);
  const bytes: unknown = isObject(webSocket) ? Reflect.get(webSocket, 'bufferedAmount') : undefined;
  return typeof bytes === 'number' ? bytes : 0;
}

function isReceiver(value: unknown): value is Receiver {
  return isObject(value) && typeof Reflect.get(value, '_write') === 'function';
}

function webSocketOf(transport: object | undefined): unknown {
  return transport === undefined ? undefined : Reflect.get(transport, 'socket');
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
