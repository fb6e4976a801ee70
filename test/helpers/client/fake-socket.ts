import type { Handshake, SocketListener, SocketPort } from '../../../src/transport/socket-port.ts';

/** Something the client has sent. */
export interface Sent {
  event: string;
  payload: unknown;
  /** Acknowledges with this reply; absent where nothing was asked for. */
  reply: ((reply: unknown) => void) | undefined;
}

/** A server's end of the port, worked by hand. */
export class FakeSocket implements SocketPort {
  readonly attempts: Handshake[] = [];
  readonly sent: Sent[] = [];
  /** How often the client hung up. */
  closed = 0;
  /** What `connect()` throws. */
  broken: Error | undefined;
  /** Answers what is sent by itself; `undefined` leaves it unanswered. */
  answer: (event: string, payload: unknown) => unknown = () => undefined;
  #listener: SocketListener | undefined;

  listen(listener: SocketListener): void {
    this.#listener = listener;
  }

  connect(handshake: Handshake): void {
    if (this.broken !== undefined) throw this.broken;
    this.attempts.push(handshake);
  }

  disconnect(): void {
    this.closed += 1;
  }

  emit(event: string, payload: unknown, acknowledge?: (reply: unknown) => void): void {
    this.sent.push({ event, payload, reply: acknowledge });
    const reply = this.answer(event, payload);
    if (reply !== undefined) queueMicrotask(() => acknowledge?.(reply));
  }

  open(): void {
    this.#listener?.connected();
  }

  refuse(code?: string, message = 'refused', cause?: Error): void {
    this.#listener?.refused({ code, message, cause });
  }

  lose(byServer = false): void {
    this.#listener?.disconnected(byServer ? 'io server disconnect' : 'transport close', byServer);
  }

  push(event: string, data: unknown): void {
    this.#listener?.pushed({ event, data });
  }

  pushFrame(frame: unknown): void {
    this.#listener?.pushed(frame);
  }

  hello(caps: readonly string[] = ['ack', 'client-id', 'rev', 'delivered', 'presence-watch'], userId = 'alice'): void {
    const limits = { maxMessageLength: 10_000, maxFileSize: 1, pageSize: 50, typingTimeoutMs: 5_000 };
    this.push('comm:hello', { protocol: 1, userId, caps, serverTime: '2026-01-01T00:00:00.000Z', limits });
  }

  names(): string[] {
    return this.sent.map(({ event }) => event);
  }

  last(event: string): Sent {
    const found = this.sent.findLast((each) => each.event === `nk:${event}`);
    if (found === undefined) throw new Error(`Nothing was sent as ${event}`);
    return found;
  }
}

/** Runs everything that only waits for promises. */
export async function settle(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
}
