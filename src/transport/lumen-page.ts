import { PUSH_EVENT, REQUEST_PREFIX } from '../protocol/events.ts';
import { interceptProperty } from './page-properties.ts';
import { refusalOf } from './connect-refusal.ts';
import type { SocketListener, SocketPort } from './socket-port.ts';

/** A LumenJS page component. The framework sets `emit` when it has connected the component's socket. */
export interface LumenPageHost {
  /** Sends `nk:<name>` with `data` to the server. */
  emit?: ((name: string, data: unknown) => void) | undefined;
}

/** The part of the framework's Socket.IO socket that {@link lumenPagePort} uses. */
export interface LumenPageSocket {
  /** Whether the socket is connected to the server. */
  readonly connected: boolean;
  /** Whether Socket.IO will reconnect automatically. */
  readonly active: boolean;
  /** Opens the connection. */
  connect(): unknown;
  /** Sends an event to the server. */
  emit(event: string, ...args: unknown[]): unknown;
  /** Adds a listener for an event. */
  on(event: string, listener: (...args: unknown[]) => void): unknown;
  /** Removes a listener. */
  off(event: string, listener: (...args: unknown[]) => void): unknown;
}

/** Options of {@link lumenPagePort}. */
export interface LumenPageOptions {
  /** The page's Socket.IO socket, if the app can access it. */
  socket?: LumenPageSocket | undefined;
}

/** A {@link SocketPort} over the connection of a LumenJS page. */
export interface LumenPagePort extends SocketPort {
  /** Whether all pushes are received: `true` with a socket, `false` with the component's properties. */
  readonly lossless: boolean;
}

/**
 * Creates a port that uses the existing connection of a LumenJS page component.
 *
 * With `socket` the port observes all pushes, rejections and disconnects. The client still runs in base mode, unless the
 * socket's own `auth` offers capabilities and it connects after the client's `connect()`, so that the client receives the
 * hello. Without `socket` the port uses `host.emit(name, data)`, to which the framework adds the prefix `nk:`, and the
 * properties `event` and `data`, which the framework assigns for each push. Limitations:
 * - There are no acknowledgements, so the client runs in base mode.
 * - A push is received only if both properties are assigned in one turn of the event loop. Pushes that the framework merges,
 *   assigns while the port isn't connected, or assigns to another element are lost, and so are pushes without `data`.
 * - A lost connection isn't detected. The framework may delay, repeat or drop frames that are emitted meanwhile.
 *
 * In both cases the framework owns the connection: the client's `auth` and `query` aren't sent to the server, which uses the
 * page's identity, and `disconnect()` stops listening without closing the connection.
 */
export function lumenPagePort(host: LumenPageHost, options: LumenPageOptions = {}): LumenPagePort {
  return options.socket === undefined ? new PropertyPort(host) : new BorrowedSocketPort(options.socket);
}

class BorrowedSocketPort implements LumenPagePort {
  readonly lossless = true;
  readonly #socket: LumenPageSocket;
  #listener: SocketListener | undefined;
  /** Removes the listeners of the current attempt or connection. */
  #stop: (() => void) | undefined;
  #connection: object | undefined;

  constructor(socket: LumenPageSocket) {
    this.#socket = socket;
  }

  listen(listener: SocketListener): void {
    this.#listener = listener;
  }

  connect(): void {
    this.disconnect();
    const socket = this.#socket;
    const connected = (): void => {
      this.#connection = {};
      this.#listener?.connected();
    };
    const disconnected = (reason: unknown): void => {
      if (this.#connection === undefined) return;
      this.disconnect();
      this.#listener?.disconnected(String(reason), reason === 'io server disconnect');
    };
    const refused = (error: unknown): void => {
      this.disconnect();
      this.#listener?.refused(refusalOf(error));
    };
    const pushed = (frame: unknown): void => {
      if (this.#connection !== undefined) this.#listener?.pushed(frame);
    };
    socket.on('connect', connected);
    socket.on('disconnect', disconnected);
    socket.on('connect_error', refused);
    socket.on(PUSH_EVENT, pushed);
    let stopped = false;
    this.#stop = () => {
      stopped = true;
      socket.off('connect', connected);
      socket.off('disconnect', disconnected);
      socket.off('connect_error', refused);
      socket.off(PUSH_EVENT, pushed);
    };
    if (socket.connected) {
      // The contract of SocketPort: never before connect() has returned.
      queueMicrotask(() => {
        if (!stopped && this.#connection === undefined && socket.connected) connected();
      });
    } else if (!socket.active) socket.connect();
  }

  disconnect(): void {
    this.#stop?.();
    this.#stop = undefined;
    this.#connection = undefined;
  }

  emit(event: string, payload: unknown, acknowledge?: (reply: unknown) => void): void {
    const connection = this.#connection;
    if (connection === undefined || !this.#socket.connected) return;
    if (acknowledge === undefined) this.#socket.emit(event, payload);
    else {
      this.#socket.emit(event, payload, (reply: unknown) => {
        if (this.#connection === connection) acknowledge(reply);
      });
    }
  }
}

class PropertyPort implements LumenPagePort {
  readonly lossless = false;
  readonly #host: LumenPageHost;
  #listener: SocketListener | undefined;
  #stop: (() => void) | undefined;
  /** The property of a push that has been assigned first. */
  #half: { name: 'event' | 'data'; value: unknown } | undefined;

  constructor(host: LumenPageHost) {
    this.#host = host;
  }

  listen(listener: SocketListener): void {
    this.#listener = listener;
  }

  connect(): void {
    this.disconnect();
    const restoreEvent = interceptProperty(this.#host, 'event', (value) => this.#assigned('event', value));
    const stop = (): void => {
      restoreEvent();
      restoreData?.();
    };
    this.#stop = stop;
    let restoreData: (() => void) | undefined;
    try {
      restoreData = interceptProperty(this.#host, 'data', (value) => this.#assigned('data', value));
    } catch (error) {
      this.disconnect();
      throw error;
    }
    queueMicrotask(() => {
      if (this.#stop !== stop) return;
      if (typeof this.#host.emit === 'function') return this.#listener?.connected();
      this.disconnect();
      this.#listener?.refused({ message: 'The page component has no emit() yet, because its socket is not connected' });
    });
  }

  disconnect(): void {
    this.#stop?.();
    this.#stop = undefined;
    this.#half = undefined;
  }

  emit(event: string, payload: unknown): void {
    if (this.#stop === undefined) return;
    this.#host.emit?.(event.startsWith(REQUEST_PREFIX) ? event.slice(REQUEST_PREFIX.length) : event, payload);
  }

  #assigned(name: 'event' | 'data', value: unknown): void {
    const other = this.#half;
    if (other === undefined || other.name === name) {
      const half = { name, value };
      this.#half = half;
      // The framework assigns both properties in one turn. A single one was assigned by the component itself or belongs to
      // a push without data, and must not be combined with the next push.
      queueMicrotask(() => {
        if (this.#half === half) this.#half = undefined;
      });
      return;
    }
    this.#half = undefined;
    this.#listener?.pushed(name === 'data' ? { event: other.value, data: value } : { event: value, data: other.value });
  }
}
