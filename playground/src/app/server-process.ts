import type { Handshake, SocketListener, SocketPort } from 'lumen-comm';

/**
 * A connection that knows the name of the server process at its other end. Servers in development mode that have a name, such as
 * those of `npm run cluster`, tell it with their first push.
 */
export class ServerProcess implements SocketPort {
  readonly #port: SocketPort;
  readonly #listeners = new Set<() => void>();
  #name: string | undefined;

  constructor(port: SocketPort) {
    this.#port = port;
  }

  readonly getSnapshot = (): string | undefined => this.#name;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  listen(listener: SocketListener): void {
    this.#port.listen({
      connected: () => listener.connected(),
      refused: (refusal) => listener.refused(refusal),
      disconnected: (reason, byServer) => {
        this.#changed(undefined);
        listener.disconnected(reason, byServer);
      },
      pushed: (frame) => {
        const greeting = processOf(frame);
        if (greeting !== undefined) this.#changed(greeting);
        listener.pushed(frame);
      },
    });
  }

  connect(handshake: Handshake): void {
    this.#port.connect(handshake);
  }

  disconnect(): void {
    this.#changed(undefined);
    this.#port.disconnect();
  }

  emit(event: string, payload: unknown, acknowledge?: (reply: unknown) => void): void {
    this.#port.emit(event, payload, acknowledge);
  }

  #changed(name: string | undefined): void {
    if (name === this.#name) return;
    this.#name = name;
    for (const listener of this.#listeners) listener();
  }
}

function processOf(frame: unknown): string | undefined {
  if (typeof frame !== 'object' || frame === null || Reflect.get(frame, 'event') !== 'comm:hello') return undefined;
  const data: unknown = Reflect.get(frame, 'data');
  const name: unknown = typeof data === 'object' && data !== null ? Reflect.get(data, 'process') : undefined;
  return typeof name === 'string' ? name : undefined;
}
