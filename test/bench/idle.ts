import { io, type Socket } from 'socket.io-client';
import type { Result } from './measure.ts';
import type { ServerProcess } from './process.ts';

/** Connects idle sockets, each of its own user, and returns the memory of the server per socket, in bytes. */
async function bytesPerSocket(server: ServerProcess, namespace: string, count: number): Promise<number> {
  const before = await server.usage();
  const sockets: Socket[] = [];
  for (let index = 0; index < count; index += 1) {
    const socket = io(server.url + namespace, {
      path: namespace === '/' ? '/socket.io/' : '/__nk_socketio/',
      transports: ['websocket'],
      forceNew: true,
      reconnection: false,
      query: { userId: `idle-${index}` },
      auth: { caps: [] },
    });
    sockets.push(socket);
    await new Promise((resolve, reject) =>
      socket.once('connect', () => resolve(undefined)).once('connect_error', reject),
    );
  }
  const after = await server.usage();
  for (const socket of sockets) socket.disconnect();
  return (after.heapBytes - before.heapBytes) / count;
}

/** Memory of an idle connection: the growth of the heap and of buffers after garbage collection. */
export async function idle(
  servers: Readonly<Record<'lumen' | 'baseline', ServerProcess>>,
  { sockets }: { sockets: number },
  where = '',
): Promise<Result> {
  const lumen = (await bytesPerSocket(servers.lumen, '/nk/messages', sockets)) / 1_024;
  const baseline = (await bytesPerSocket(servers.baseline, '/', sockets)) / 1_024;
  return { name: `memory per connection, ${sockets} idle${where}`, unit: 'KB', pairs: [{ lumen, baseline }] };
}
