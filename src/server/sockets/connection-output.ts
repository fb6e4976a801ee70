import type { ServerResponse } from 'node:http';
import { acceptedBytes } from '../http/accepted-bytes.ts';
import type { Output, UnreadOutput } from '../services/limits/unread-output.ts';
import type { OutputTurns } from './output-turns.ts';
import { packetBytes } from './packet-bytes.ts';
import { bufferedAmount, terminateWebSocket, webSocketStream } from './web-socket-stream.ts';

/** The events and methods of an Engine.IO connection that the measurement uses. */
interface OutputConnection {
  on(event: 'packetCreate', listener: (packet: { data?: unknown }) => void): unknown;
  on(event: 'flush', listener: () => void): unknown;
  once(event: 'close', listener: () => void): unknown;
  close(discard?: boolean): unknown;
  readonly transport?: object | undefined;
}

const outputs = new WeakMap<object, ConnectionOutput>();

/**
 * Measures the unread output of an Engine.IO connection, and counts what is sent in each turn. Idempotent.
 *
 * @returns `undefined` if the connection of a framework doesn't emit the events of Engine.IO
 */
export function trackOutput(
  connection: object | undefined,
  unread: UnreadOutput,
  turns: OutputTurns,
): ConnectionOutput | undefined {
  if (!isOutputConnection(connection)) return undefined;
  const known = outputs.get(connection);
  if (known !== undefined) return known;
  const output = new ConnectionOutput(connection);
  outputs.set(connection, output);
  connection.once('close', () => unread.ended(output));
  connection.on('packetCreate', ({ data }) => {
    const bytes = packetBytes(data);
    output.queued(bytes);
    unread.wrote(output, bytes);
    turns.sent();
  });
  connection.on('flush', () => output.flushed());
  return output;
}

function isOutputConnection(value: object | undefined): value is OutputConnection {
  return value !== undefined && ['on', 'once', 'close'].every((name) => typeof Reflect.get(value, name) === 'function');
}

/** The output of one Engine.IO connection. */
export class ConnectionOutput implements Output {
  readonly #connection: OutputConnection;
  /** Set when the user is identified. */
  userId: string | undefined;
  /** Bytes that Engine.IO has not passed to the transport. */
  #queuedBytes = 0;
  #flushes = 0;
  /** Responses to long-polling requests that have not been written completely. */
  readonly #responses = new Set<ServerResponse>();

  constructor(connection: OutputConnection) {
    this.#connection = connection;
  }

  /** Counts a packet that was passed to Engine.IO. */
  queued(bytes: number): void {
    this.#queuedBytes += bytes;
  }

  /** Called before the transport receives the queued packets. */
  flushed(): void {
    this.#queuedBytes = 0;
    this.#flushes += 1;
    const response = responseOf(this.#connection.transport);
    if (response === undefined) return;
    this.#responses.add(response);
    response.once('close', () => this.#responses.delete(response));
  }

  unreadBytes(): number {
    let bytes = this.#queuedBytes + bufferedAmount(this.#connection.transport);
    for (const { writableLength } of this.#responses) bytes += writableLength;
    return bytes;
  }

  progress(): number {
    const stream = webSocketStream(this.#connection.transport);
    if (stream !== undefined) return acceptedBytes(stream);
    let bytes = this.#flushes;
    for (const { socket } of this.#responses) if (socket !== null) bytes += acceptedBytes(socket);
    return bytes;
  }

  /** Postpones the ping timeout: the pong of a peer that still reads can't arrive yet. */
  progressed(): void {
    const timer: unknown = Reflect.get(this.#connection, 'pingTimeoutTimer');
    const refresh: unknown = typeof timer === 'object' && timer !== null ? Reflect.get(timer, 'refresh') : undefined;
    if (typeof refresh === 'function') refresh.call(timer);
  }

  close(): void {
    const responses = [...this.#responses];
    this.#connection.close(true);
    terminateWebSocket(this.#connection.transport);
    for (const response of responses) response.destroy();
  }
}

/** Returns the response to the pending long-polling request. */
function responseOf(transport: object | undefined): ServerResponse | undefined {
  if (transport === undefined || Reflect.get(transport, 'name') !== 'polling') return undefined;
  return (Reflect.get(transport, 'res') as ServerResponse | null | undefined) ?? undefined;
}
