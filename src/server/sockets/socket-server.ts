import type { IncomingMessage, Server as HttpServer, ServerResponse } from 'node:http';
import type { Server } from 'socket.io';
import { CommError } from '../../protocol/errors.ts';
import { peerScheme } from '../http/peer-address.ts';
import type { OriginPolicy } from '../http/origins.ts';
import type { ServerCore } from '../server-core.ts';

/**
 * Creates a Socket.IO server on an HTTP server. Socket.IO is loaded here and nowhere else, so that importing the package
 * doesn't load it.
 *
 * @param path - path of the Socket.IO endpoint
 * @param trustedProxies - number of proxies in front of the server; see {@link peerScheme}
 */
export async function createSocketServer(
  http: HttpServer,
  path: string,
  origins: OriginPolicy,
  { limits, refusals }: Pick<ServerCore, 'limits' | 'refusals'>,
  trustedProxies: number,
): Promise<Server> {
  const allows = (request: IncomingMessage): boolean =>
    origins.allows(request.headers.origin, request.headers.host, peerScheme(request, trustedProxies));
  const socketIo = await import('socket.io');
  const io = new socketIo.Server(http, {
    path,
    serveClient: false,
    maxHttpBufferSize: limits.frameBytes,
    pingInterval: 25_000,
    pingTimeout: 20_000,
    // A peer that connects and never joins a namespace occupies memory.
    connectTimeout: limits.handshakeTimeoutMs,
    // Compression costs more memory per connection than it saves for short messages.
    perMessageDeflate: false,
    cors: { origin: (origin, callback) => callback(null, origin !== undefined && origins.lists(origin)) },
    allowRequest(request, callback) {
      const isAllowed = allows(request);
      if (!isAllowed) refusals.note('origin or host name rejected', 'FORBIDDEN');
      callback(null, isAllowed);
    },
  });
  io.engine.use((request: IncomingMessage, response: ServerResponse, next: (error?: Error) => void) => {
    const { upgrade } = request.headers;
    // A WebSocket has no readable response; `allowRequest` rejects it.
    if (upgrade !== undefined || allows(request)) return next();
    refusals.note('origin or host name rejected', 'FORBIDDEN');
    rejectOrigin(response);
    next(new Error('The origin is not allowed'));
  });
  // The root namespace exists on every Socket.IO server. Nothing is served there.
  io.of('/').use((_socket, next) => next(new Error('Invalid namespace')));
  return io;
}

/**
 * Rejects a request of a page whose origin is not allowed. Every page may read this response, which is the same for all of
 * them, so that its client can report the reason.
 */
function rejectOrigin(response: ServerResponse): void {
  const { code, message } = new CommError('FORBIDDEN', 'This origin or host name is not allowed');
  response.writeHead(403, { 'content-type': 'application/json', 'access-control-allow-origin': '*' });
  response.end(JSON.stringify({ error: { code, message } }));
}
