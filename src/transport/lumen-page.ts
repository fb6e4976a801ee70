import { PUSH_EVENT, REQUEST_PREFIX } from '../protocol/events.ts';
import { interceptProperty } from './page-properties.ts';
import { refusalOf } from './refusal.ts';
import type { SocketListener, SocketPort } from './socket-port.ts';

/** What a LumenJS page component has of its socket: `this.emit`, there once the framework has connected it. */
export interface LumenPageHost {
  emit?: ((name: string, data: unknown) => void) | undefined;
}

/** The part of a Socket.IO socket that is used of the framework's. */
export interface LumenPageSocket {
  readonly connected: boolean;
  /** False once nobody but a caller of `connect()` will connect it again. */
  readonly active: boolean;
  connect(): unknown;
  emit(event: string, ...args: unknown[]): unknown;
  on(event: string, listener: (...args: unknown[]) => void): unknown;
  off(event: string, listener: (...args: unknown[]) => void): unknown;
}

/** What else the app can hand over. */
export interface LumenPageOptions {
  /** The page's Socket.IO socket, where the app can get at it. */
  socket?: LumenPageSocket | undefined;
}

export interface LumenPagePort extends SocketPort {
  /** Whether every push is certain to arrive: true on the socket, false on the component's properties. */
  readonly lossless: boolean;
}

/**
 * The connection of a LumenJS page component, for a client that lives in it.
 *
 * With `socket` every push, refusal and lost connection is seen as on a connection of one's own. The client is in base mode
 * all the same, unless the socket offers capabilities in its own `auth` and connects after the client's `connect()`, so that
 * the client hears the hello. Without `socket` there are only `host.emit(name, data)` (the framework puts the `nk:` in front)
 * and the properties `event` and `data`, which the framework sets for each push, and nothing more than this is promised:
 * - Acknowledgements never come, so the client runs in base mode.
 * - A push is seen when both properties are assigned in one turn. What the framework merges before it assigns, sets while
 *   the port doesn't listen, or hands to another element is lost; so is a push without `data`.
 * - The end of the connection isn't noticed. What is emitted meanwhile, the framework may keep, send twice or drop.
 *
 * Either way the connection is the framework's: the client's `auth` and `query` don't reach the server (identity is the
 * page's own), and `disconnect()` stops listening but closes nothing.
 */
export function lumenPagePort(host: LumenPageHost, options: LumenPageOptions = {}): LumenPagePort {
  return options.socket === undefined ? new PropertyPort(host) : new BorrowedSocketPort(options.socket);
}

class BorrowedSocketPort implements LumenPagePort {
  readonly lossless = true;
  readonly #socket: LumenPageSocket;
  #listener: SocketListener | undefined;
  /** Ends the attempt or connection that is on; each has its own, so that nothing of an earlier one is told. */
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
      // Not before connect() has returned, as on every other port.
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
  /** The half of a push that has been assigned. */
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
      this.#listener?.refused({ message: 'The page component has no emit() yet: its socket is not connected' });
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
      // The framework assigns both in one turn. A half left alone is the component's own doing, or a push without data,
      // and must not be paired with the next.
      queueMicrotask(() => {
        if (this.#half === half) this.#half = undefined;
      });
      return;
    }
    this.#half = undefined;
    this.#listener?.pushed(name === 'data' ? { event: other.value, data: value } : { event: value, data: other.value });
  }
}
