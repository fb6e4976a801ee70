import type { Server, Socket } from 'socket.io';
import { CommError, errorBodyOf, type ErrorBody } from '../../protocol/errors.ts';
import { PUSH_EVENT, REQUEST_PREFIX, type RequestName } from '../../protocol/events.ts';
import { createIdentify, type Identify, type Identity } from '../auth/authenticate.ts';
import { admissionFor, type Admission } from './admission.ts';
import { coalesceWrites } from './coalesce-writes.ts';
import { isRequestName, serveContext, type CommunicationHandlerOptions } from '../communication-handler.ts';
import { handshakeAuth } from './connection.ts';
import { serverCoreFor, type ServerCore } from '../server-core.ts';
import type { LumenContext } from './lumen-context.ts';

/** Options of {@link attachCommunication}. */
export interface AttachOptions extends CommunicationHandlerOptions {
  /**
   * Namespaces to serve; a regular expression matches several. @defaultValue the configured namespace, `/nk/messages`
   */
  namespaces?: readonly (string | RegExp)[] | undefined;
  /**
   * Number of proxies in front of the server. The address of a peer is then read from `X-Forwarded-For`, to which each
   * of them must append the address of its peer.
   *
   * @defaultValue 0: the address of the TCP connection
   */
  trustProxy?: number | undefined;
}

/**
 * Serves the protocol on an existing Socket.IO server. A connection that can't be authenticated is refused: the
 * client's `connect_error` has `data: { code, message, reason?, retryAfterMs? }` with the code `UNAUTHENTICATED`,
 * `TOKEN_EXPIRED`, `RATE_LIMITED` or `UNAVAILABLE`.
 *
 * ```ts
 * attachCommunication(new Server(httpServer, { path: '/__nk_socketio/' }), { db, authenticate: jwtAuth({ secret }) });
 * ```
 */
export function attachCommunication(io: Server, options: AttachOptions = {}): void {
  attachServerCore(io, serverCoreFor(options), options);
}

/**
 * Serves a core on a Socket.IO server. See {@link attachCommunication}.
 *
 * @param exclusive - whether the Socket.IO server serves nothing else
 */
export function attachServerCore(io: Server, core: ServerCore, options: AttachOptions, exclusive = false): void {
  const identify = createIdentify(options, core.logger);
  const { limits, clock, refusals, frames, shared } = core;
  const { trustProxy: trustedProxies = 0, namespaces = [core.config.namespace] } = options;
  let admission: Admission | undefined;
  // A server that is attached to HTTP later has its engine with its first connection at the latest.
  const admit = (): Admission | undefined => {
    if (admission === undefined && isEngine(io.engine)) {
      admission = admissionFor(io.engine, { limits, clock, refusals, frames, shared, exclusive, trustedProxies });
      for (const name of namespaces) admission.serve(name);
    }
    return admission;
  };
  admit();
  const identities = new WeakMap<Socket, Identity>();
  for (const name of namespaces) {
    const namespace = io.of(name);
    namespace.use((socket, next) => {
      authenticateSocket(core, identify, socket).then(
        (identity) => {
          identities.set(socket, identity);
          admit()?.identified(socket.conn);
          next();
        },
        (error: unknown) => {
          const refusal = connectError(error);
          refusals.note('connection rejected', refusal.data.code, refusal.data.reason);
          next(refusal);
        },
      );
    });
    namespace.on('connection', (socket) => {
      // Identified by the handshake; a connection that is refreshed is identified again.
      serveSocket(core, socket, (request) => {
        const identity = identities.get(socket);
        identities.delete(socket);
        return identity ?? identify(request);
      });
    });
  }
}

async function authenticateSocket(core: ServerCore, identify: Identify, { handshake }: Socket): Promise<Identity> {
  if (core.draining) throw new CommError('UNAVAILABLE', 'The server is shutting down');
  const { headers, query, auth } = handshake;
  const identity = await identify({ headers, query, token: handshakeAuth(auth).token });
  if (identity.expiresAt !== undefined && identity.expiresAt <= core.clock.now()) {
    throw new CommError('TOKEN_EXPIRED', 'The token has expired', { reason: 'token-expired' });
  }
  await core.ready();
  await core.services.userBans.require(identity.userId);
  await core.checkSockets(identity.userId);
  return identity;
}

function serveSocket(core: ServerCore, socket: Socket, identify: Identify): void {
  coalesceWrites(socket.conn);
  const context: Omit<LumenContext, 'on'> = {
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
  const { close, handle, answerUnknown } = serveContext(core, identify, context);
  socket.on('disconnect', close);
  // Socket.IO writes an `error` event without a listener to the console.
  socket.on('error', () => core.refusals.note('socket error', 'INVALID'));
  // A request gets its listener with its first use: listeners for all of them have several kilobytes per socket.
  const used = new Map<RequestName, (...request: unknown[]) => void>();
  socket.use(([event, ...args]: [event: unknown, ...args: unknown[]], next) => {
    // The name of an event can also be a number.
    const name =
      typeof event === 'string' && event.startsWith(REQUEST_PREFIX) ? event.slice(REQUEST_PREFIX.length) : '';
    if (isRequestName(name)) {
      const listener = used.get(name) ?? ((...request: unknown[]) => handle(name, request));
      used.set(name, listener);
      // An app may have removed all listeners of its socket.
      if (!socket.listeners(event as string).includes(listener)) socket.on(event as string, listener);
    } else if (name === '' || socket.listenerCount(`${REQUEST_PREFIX}${name}`) === 0) answerUnknown(args);
    next();
  });
}

/** Creates the error that Socket.IO sends as `connect_error`. */
function connectError(error: unknown): Error & { data: ErrorBody } {
  const data = errorBodyOf(error);
  return Object.assign(new Error(data.message), { data });
}

/** `io.engine` is absent until the Socket.IO server is attached to an HTTP server. */
function isEngine(engine: Server['engine'] | undefined): engine is Server['engine'] {
  return engine !== undefined;
}
