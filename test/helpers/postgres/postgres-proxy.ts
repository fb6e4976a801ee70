import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A TCP proxy in front of a Postgres. */
export interface PostgresProxy extends AsyncDisposable {
  readonly port: number;
  /** Cuts all connections. */
  cut(): void;
  /** Connects new connections to another Postgres, and cuts those to the first one. */
  switchTo(port: number): void;
  /** From now on nothing arrives, in both directions and on new connections, until {@link cut}. */
  hold(): void;
}

/**
 * Starts a proxy on a free port.
 *
 * @param delayMs - delays all that is sent, in both directions
 * @param onSent - is called when a client has sent a chunk, before it is passed on
 */
export async function startPostgresProxy(
  target: number,
  delayMs = 0,
  onSent: () => void = () => undefined,
): Promise<PostgresProxy> {
  const sockets = new Set<Socket>();
  let port = target;
  let isHeld = false;
  const forward = (from: Socket, to: Socket): void => {
    sockets.add(from);
    from.setNoDelay(true);
    from.on('error', () => undefined);
    from.on('close', () => {
      sockets.delete(from);
      to.destroy();
    });
    from.on('data', (chunk) => {
      if (isHeld) return;
      // Timers of the same delay fire in order.
      if (delayMs === 0) to.write(chunk);
      else setTimeout(() => to.writable && to.write(chunk), delayMs);
    });
  };
  const server = createServer((inside) => {
    const outside = connect(port, '127.0.0.1');
    inside.on('data', onSent);
    forward(inside, outside);
    forward(outside, inside);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = (): void => {
    isHeld = false;
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    cut,
    switchTo(other) {
      port = other;
      cut();
    },
    hold: () => void (isHeld = true),
    async [Symbol.asyncDispose]() {
      server.close();
      cut();
      await once(server, 'close');
    },
  };
}
