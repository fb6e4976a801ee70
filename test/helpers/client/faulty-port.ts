import { socketIoPort } from '../../../src/transport/socket-io.ts';
import type { Handshake, SocketListener, SocketPort } from '../../../src/transport/socket-port.ts';

/** A real connection with a cable that can be pulled and messages that can get lost. */
export class FaultyPort implements SocketPort {
  readonly #inner: SocketPort;
  #listener: SocketListener | undefined;
  #down = false;
  /** How often a connection was made. */
  opened = 0;
  /** What was sent, by name without its prefix. */
  readonly sent: string[] = [];
  /** What went with each of {@link sent}. */
  readonly payloads: unknown[] = [];
  /** The pushes that arrived. */
  readonly pushes: { event: string; data: unknown }[] = [];
  /** True: this request gets lost on its way. */
  losesRequest: (event: string) => boolean = () => false;
  /** True: this request is answered as by a server that shuts down or has lost its database. */
  refuses: (event: string) => boolean = () => false;
  /** True: this acknowledgement gets lost on its way. */
  losesAck: (event: string) => boolean = () => false;
  /** Holds this acknowledgement back until the promise resolves, while pushes arrive. */
  holdsAck: (event: string) => Promise<unknown> | undefined = () => undefined;
  /** True: this push gets lost on its way. */
  losesPush: (event: string) => boolean = () => false;
  /** What a server that lies makes of an answer or a push. */
  bends: (told: unknown) => unknown = (told) => told;

  #late: unknown[] | undefined;

  constructor(url: string) {
    this.#inner = socketIoPort({ url, namespace: '/nk/messages', path: '/__nk_socketio/', transports: ['websocket'] });
    this.#inner.listen({
      connected: () => {
        this.opened += 1;
        this.#listener?.connected();
      },
      disconnected: (reason, byServer) => this.#listener?.disconnected(reason, byServer),
      refused: (refusal) => this.#listener?.refused(refusal),
      pushed: (frame) => {
        const push = frame as { event: string; data: unknown };
        const { event } = push;
        this.pushes.push(push);
        if (this.losesPush(event)) return;
        if (this.#late !== undefined) this.#late.push(frame);
        else this.#listener?.pushed(this.bends(frame));
      },
    });
  }

  listen(listener: SocketListener): void {
    this.#listener = listener;
  }

  connect(handshake: Handshake): void {
    if (this.#down) queueMicrotask(() => this.#listener?.refused({ message: 'The cable is pulled' }));
    else this.#inner.connect(handshake);
  }

  disconnect(): void {
    this.#inner.disconnect();
  }

  emit(event: string, payload: unknown, acknowledge?: (reply: unknown) => void): void {
    const name = event.replace('nk:', '');
    this.sent.push(name);
    this.payloads.push(payload);
    if (this.losesRequest(name)) return;
    if (acknowledge !== undefined && this.refuses(name)) {
      const error = { code: 'UNAVAILABLE', message: 'The server is shutting down' };
      return queueMicrotask(() => acknowledge({ ok: false, error }));
    }
    if (acknowledge === undefined) return this.#inner.emit(event, payload);
    this.#inner.emit(event, payload, (reply) => {
      if (this.losesAck(name)) return;
      const held = this.holdsAck(name);
      if (held === undefined) return acknowledge(this.bends(reply));
      const { opened } = this;
      // Lost with its connection.
      void held.then(() => opened === this.opened && acknowledge(this.bends(reply)));
    });
  }

  /** Pushes take long from now on, until what is returned is called; answers don't. */
  hold(): () => void {
    const late: unknown[] = (this.#late = []);
    return () => {
      this.#late = undefined;
      for (const frame of late) this.#listener?.pushed(this.bends(frame));
    };
  }

  /** The line breaks, and can be had again at once. */
  cut(): void {
    this.#inner.disconnect();
    this.#listener?.disconnected('transport close', false);
  }

  /** The line breaks, and stays away until `plug()`. */
  unplug(): void {
    this.#down = true;
    this.cut();
  }

  plug(): void {
    this.#down = false;
  }
}
