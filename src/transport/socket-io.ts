import { io, type Socket } from 'socket.io-client';
import { PUSH_EVENT } from '../protocol/events.ts';
import { refusalOf } from './connect-refusal.ts';
import type { Handshake, SocketListener, SocketPort } from './socket-port.ts';

/** Options of {@link socketIoPort}. */
export interface SocketIoOptions {
  /** Origin of the server; a path is ignored. @defaultValue the page's origin */
  url?: string | undefined;
  /** Socket.IO namespace, such as `/nk/messages`. */
  namespace: string;
  /** Path of Engine.IO on the server, such as `/__nk_socketio/`. */
  path: string;
  /** Transports in the order in which each attempt tries them. @defaultValue `['websocket', 'polling']` */
  transports?: readonly ('websocket' | 'polling')[] | undefined;
  /** Headers of the handshake. Ignored for WebSockets in browsers. */
  extraHeaders?: Readonly<Record<string, string>> | undefined;
}

/**
 * Creates a port over Socket.IO's client. Each `connect()` makes one attempt with a new socket and engine, so that buffers,
 * acknowledgements, timers and tokens of an earlier attempt can't affect it. The caller decides when to reconnect. The
 * handshake's `auth` is sent in the CONNECT packet, never in a URL; its `query` is part of the URL.
 *
 * @throws TypeError if `url` is invalid; `connect()` throws it if there is neither a `url` nor a page
 */
export function socketIoPort(options: SocketIoOptions): SocketPort {
  return new SocketIoPort(options);
}

class SocketIoPort implements SocketPort {
  readonly #address: string;
  readonly #options: SocketIoOptions;
  #listener: SocketListener | undefined;
  #socket: Socket | undefined;

  constructor(options: SocketIoOptions) {
    this.#options = options;
    // Socket.IO interprets the path of a URL as the namespace.
    this.#address = options.url === undefined ? options.namespace : new URL(options.url).origin + options.namespace;
  }

  listen(listener: SocketListener): void {
    this.#listener = listener;
  }

  connect({ auth, query }: Handshake): void {
    this.disconnect();
    const { url, path, transports = ['websocket', 'polling'], extraHeaders } = this.#options;
    if (url === undefined && typeof location === 'undefined') {
      throw new TypeError('url is required outside of a browser page');
    }
    const socket = io(this.#address, {
      path,
      auth,
      query,
      reconnection: false,
      forceNew: true,
      autoConnect: false,
      // Without this, a proxy that blocks WebSockets would block the client.
      tryAllTransports: true,
      transports: [...transports],
      ...(extraHeaders !== undefined && { extraHeaders: { ...extraHeaders } }),
    });
    this.#socket = socket;
    socket.on('connect', () => this.#listener?.connected());
    socket.on(PUSH_EVENT, (frame: unknown) => this.#listener?.pushed(frame));
    socket.on('disconnect', (reason) => {
      this.#drop(socket);
      this.#listener?.disconnected(reason, reason === 'io server disconnect');
    });
    socket.on('connect_error', (error) => {
      this.#drop(socket);
      this.#listener?.refused(refusalOf(error));
    });
    socket.connect();
  }

  disconnect(): void {
    if (this.#socket !== undefined) this.#drop(this.#socket);
  }

  emit(event: string, payload: unknown, acknowledge?: (reply: unknown) => void): void {
    const socket = this.#socket;
    // Socket.IO would buffer it.
    if (socket?.connected !== true) return;
    if (acknowledge === undefined) socket.emit(event, payload);
    else {
      socket.emit(event, payload, (reply: unknown) => {
        if (this.#socket === socket) acknowledge(reply);
      });
    }
  }

  /** Closes a socket in any state without notifying the listener. */
  #drop(socket: Socket): void {
    if (this.#socket === socket) this.#socket = undefined;
    socket.off();
    socket.disconnect();
  }
}
