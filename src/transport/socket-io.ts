import { io, type Socket } from 'socket.io-client';
import { PUSH_EVENT } from '../protocol/events.ts';
import { refusalOf } from './refusal.ts';
import type { Handshake, SocketListener, SocketPort } from './socket-port.ts';

/** Where to connect, and by what. */
export interface SocketIoOptions {
  /** Origin of the server; a path in it is ignored. Default: the page's own. */
  url?: string | undefined;
  /** Such as `/nk/messages`. */
  namespace: string;
  /** Where the server's Engine.IO answers, such as `/__nk_socketio/`. */
  path: string;
  /** In the order they are tried. Default: Socket.IO's own. */
  transports?: readonly ('websocket' | 'polling')[] | undefined;
  /** For clients outside of browsers, which can't set headers on a WebSocket. */
  extraHeaders?: Readonly<Record<string, string>> | undefined;
}

/**
 * A connection by Socket.IO's client. Each `connect()` is one fresh attempt with a socket and an engine of its own, so
 * that nothing of an earlier one (buffers, acknowledgements, timers, an old token) can reach into it. When to try again
 * is for the caller to say. The handshake's `auth` travels in the CONNECT packet, never in a URL; its `query` does.
 *
 * @throws TypeError when `url` isn't one; `connect()` throws it when none is given and there is no page
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
    // Socket.IO takes the path of an URL for the namespace.
    this.#address = options.url === undefined ? options.namespace : new URL(options.url).origin + options.namespace;
  }

  listen(listener: SocketListener): void {
    this.#listener = listener;
  }

  connect({ auth, query }: Handshake): void {
    this.disconnect();
    const { url, path, transports, extraHeaders } = this.#options;
    if (url === undefined && typeof location === 'undefined') {
      throw new TypeError('Outside of a page, give a url');
    }
    const socket = io(this.#address, {
      path,
      auth,
      query,
      reconnection: false,
      forceNew: true,
      autoConnect: false,
      ...(transports !== undefined && { transports: [...transports] }),
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
    // Socket.IO would keep it for later.
    if (socket?.connected !== true) return;
    if (acknowledge === undefined) socket.emit(event, payload);
    else {
      socket.emit(event, payload, (reply: unknown) => {
        if (this.#socket === socket) acknowledge(reply);
      });
    }
  }

  /** Ends a socket in whatever state it is, without a word to the listener. */
  #drop(socket: Socket): void {
    if (this.#socket === socket) this.#socket = undefined;
    socket.off();
    socket.disconnect();
  }
}
