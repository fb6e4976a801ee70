import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A TCP proxy in front of a Postgres. */
export interface CountingProxy extends AsyncDisposable {
  readonly port: number;
  /** Number of chunks that were sent to Postgres. */
  readonly chunks: number;
}

/** Starts a proxy that counts what is sent to Postgres. @param onChunk - is called before a chunk is passed on */
export async function startCountingProxy(
  target: number,
  onChunk: (chunks: number) => void = () => undefined,
): Promise<CountingProxy> {
  const sockets = new Set<Socket>();
  let chunks = 0;
  const server = createServer((inside) => {
    const outside = connect(target, '127.0.0.1');
    const pairs: [Socket, Socket][] = [
      [inside, outside],
      [outside, inside],
    ];
    for (const [one, other] of pairs) {
      sockets.add(one);
      one.on('error', () => undefined);
      one.on('close', () => {
        sockets.delete(one);
        other.destroy();
      });
    }
    inside.on('data', (chunk) => {
      chunks += 1;
      onChunk(chunks);
      outside.write(chunk);
    });
    outside.pipe(inside);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    get chunks() {
      return chunks;
    },
    async [Symbol.asyncDispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
  };
}
