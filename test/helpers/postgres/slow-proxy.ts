import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { Transform } from 'node:stream';

/** A TCP proxy in front of a Postgres. */
export interface SlowProxy extends AsyncDisposable {
  readonly port: number;
  /** Cuts all connections. */
  cut(): void;
}

/** Starts a proxy on a free port that delays everything in both directions. */
export async function startSlowProxy(target: number, delayMs: number): Promise<SlowProxy> {
  const sockets = new Set<Socket>();
  const delayed = (): Transform =>
    new Transform({ transform: (chunk, _, done) => void setTimeout(() => done(null, chunk), delayMs) });
  const server = createServer((inside) => {
    const outside = connect(target, '127.0.0.1');
    for (const [one, other] of [
      [inside, outside],
      [outside, inside],
    ] as const) {
      sockets.add(one);
      one.on('error', () => undefined);
      one.on('close', () => {
        sockets.delete(one);
        other.destroy();
      });
      one.pipe(delayed()).pipe(other);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    cut,
    async [Symbol.asyncDispose]() {
      server.close();
      cut();
      await once(server, 'close');
    },
  };
}
