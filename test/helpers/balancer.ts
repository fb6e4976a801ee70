import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A TCP load balancer that prefers one of its targets. */
export interface Balancer extends AsyncDisposable {
  readonly url: string;
}

/**
 * Starts a load balancer on the loopback address.
 *
 * @param targets - returns the ports of the servers, the preferred one first. A connection goes to the first that accepts it.
 * @param port - to listen on. @defaultValue a free port
 */
export async function startBalancer(targets: () => readonly number[], port = 0): Promise<Balancer> {
  const sockets = new Set<Socket>();
  const track = (socket: Socket): void => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
  };
  const server = createServer({ noDelay: true, pauseOnConnect: true }, (near) => {
    track(near);
    void firstThatAccepts(targets()).then((far) => {
      if (far === undefined || near.destroyed) {
        near.destroy();
        far?.destroy();
        return;
      }
      track(far);
      near.once('close', () => far.destroy());
      far.once('close', () => near.destroy());
      near.pipe(far).pipe(near);
    });
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
  };
}

async function firstThatAccepts(ports: readonly number[]): Promise<Socket | undefined> {
  for (const port of ports) {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    const isOpen = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
    if (isOpen) return socket;
  }
  return undefined;
}
