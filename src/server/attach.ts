import type { Server, Socket } from 'socket.io';
import { CommError, isCommError } from '../protocol/errors.ts';
import { PUSH_EVENT, REQUEST_PREFIX } from '../protocol/events.ts';
import { createIdentify, type Identify, type Identity } from './auth.ts';
import { coalesceWrites } from './coalesce-writes.ts';
import { serveContext, type CommunicationHandlerOptions } from './communication-handler.ts';
import { handshakeAuth } from './connection.ts';
import { coreOf, type Core } from './core.ts';
import { guardSlowConsumer } from './slow-consumer.ts';
import type { LumenContext } from './socket-io.ts';

export interface AttachOptions extends CommunicationHandlerOptions {
  /** Where it listens; a regular expression matches many. @defaultValue the configured one: `/nk/messages` */
  namespaces?: readonly (string | RegExp)[] | undefined;
}

/**
 * Speaks LumenJS's frames on any Socket.IO server. A connection that can't be identified is refused: the client's
 * `connect_error` carries `data: { code: 'UNAUTHENTICATED' | 'TOKEN_EXPIRED' | 'UNAVAILABLE', message }`.
 *
 * ```ts
 * attachCommunication(new Server(httpServer, { path: '/__nk_socketio/' }), { db, authenticate: jwtAuth({ secret }) });
 * ```
 */
export function attachCommunication(io: Server, options: AttachOptions = {}): void {
  attachCore(io, coreOf(options), options);
}

export function attachCore(io: Server, core: Core, options: AttachOptions): void {
  const identify = createIdentify(options, core.logger);
  const identities = new WeakMap<Socket, Identity>();
  for (const name of options.namespaces ?? [core.config.namespace]) {
    const namespace = io.of(name);
    namespace.use((socket, next) => {
      admit(core, identify, socket).then(
        (identity) => {
          identities.set(socket, identity);
          next();
        },
        (error: unknown) => next(refusal(error)),
      );
    });
    namespace.on('connection', (socket) => {
      serve(core, socket, () => Promise.resolve(identities.get(socket) ?? Promise.reject(unauthenticated())));
    });
  }
}

async function admit(core: Core, identify: Identify, { handshake }: Socket): Promise<Identity> {
  if (core.draining) throw new CommError('UNAVAILABLE', 'The server is shutting down');
  const { headers, query, auth } = handshake;
  const identity = await identify({ headers, query, token: handshakeAuth(auth).token });
  if (identity.expiresAt !== undefined && identity.expiresAt <= core.clock.now()) {
    throw new CommError('TOKEN_EXPIRED', 'The token has expired');
  }
  await core.ready();
  return identity;
}

function serve(core: Core, socket: Socket, identity: () => Promise<Identity>): void {
  guardSlowConsumer(socket.conn, () => core.logger.warn('a client that did not read was disconnected'));
  coalesceWrites(socket.conn);
  const context: LumenContext = {
    on: (event, handler) => void socket.on(`${REQUEST_PREFIX}${event}`, handler),
    push: (data) => void socket.emit(PUSH_EVENT, data),
    room: {
      join: (name) => void socket.join(name),
      leave: (name) => void socket.leave(name),
      broadcast: (name, data) => void socket.to(name).emit(PUSH_EVENT, data),
      broadcastAll: (name, data) => void socket.nsp.to(name).emit(PUSH_EVENT, data),
    },
    headers: socket.handshake.headers,
    socket,
  };
  const { close, answerUnknown } = serveContext(core, identity, context);
  socket.on('disconnect', close);
  // Socket.IO writes to the console where nobody listens.
  socket.on('error', () => core.logger.warn('a socket failed'));
  socket.onAny((event: unknown, ...args: unknown[]) => {
    const asked = typeof event === 'string' && event.startsWith(REQUEST_PREFIX);
    if (asked && socket.listenerCount(event) === 0) answerUnknown(args);
  });
}

/** What Socket.IO sends as `connect_error`. */
function refusal(error: unknown): Error & { data: { code: string; message: string } } {
  const known = isCommError(error) ? error : new CommError('INTERNAL', 'The server failed');
  const { code, message } = known;
  return Object.assign(new Error(message), { data: { code, message } });
}

function unauthenticated(): CommError {
  return new CommError('UNAUTHENTICATED', 'Not signed in');
}
