import type { RequestName } from '../protocol/events.ts';
import { createIdentify, type Identify, type IdentifyOptions } from './auth/authenticate.ts';
import { admissionFor, isEngineServer } from './sockets/admission.ts';
import { trackOutput } from './sockets/connection-output.ts';
import { Connection, handshakeAuth } from './sockets/connection.ts';
import { serverCoreFor, type ServerCore, type ServerCoreOptions } from './server-core.ts';
import { HANDLERS } from './handlers/index.ts';
import { createSocketAdapter, type LumenContext } from './sockets/lumen-context.ts';

/** Options of {@link createCommunicationHandler}. */
export interface CommunicationHandlerOptions extends ServerCoreOptions, IdentifyOptions {}

const REQUEST_NAMES = Object.keys(HANDLERS) as RequestName[];

/** Returns whether a request of this name is part of the protocol. */
export function isRequestName(name: string): name is RequestName {
  return Object.hasOwn(HANDLERS, name);
}

/**
 * Creates the function that a LumenJS page exports as `socket`. It takes the connection's context and returns a cleanup
 * function.
 *
 * ```ts
 * export const socket = createCommunicationHandler({ db });
 * ```
 *
 * Handlers and routes with the same `db` form one server. Without `db`, data is kept in memory.
 *
 * The user is determined by `authenticate`; else by `getUserId(headers, query)`; else by the context's `user`; else by
 * the header `x-user-id` or the query parameter `userId`. With `NODE_ENV=production` the last source requires
 * `trustUserIdHeader`.
 */
export function createCommunicationHandler(
  options: CommunicationHandlerOptions = {},
): (context: LumenContext) => () => void {
  const core = serverCoreFor(options);
  const identify = createIdentify(options, core.logger);
  return (context) => {
    const { close, handle } = serveContext(core, admitting(core, identify, context), context);
    // Registered synchronously, so that requests emitted right after the connection are not lost.
    for (const name of REQUEST_NAMES) context.on(name, (...args) => handle(name, args));
    return close;
  };
}

/**
 * Installs the admission checks on the Socket.IO server of a context, as far as it has one, and ends the restrictions on
 * the connection when its user is identified. The connection of the first context was made without the checks.
 */
function admitting(core: ServerCore, identify: Identify, { socket }: LumenContext): Identify {
  const engine: unknown = socket.conn === undefined ? undefined : Reflect.get(socket.conn, 'server');
  const namespace: unknown = socket.nsp === undefined ? undefined : Reflect.get(socket.nsp, 'name');
  if (!isEngineServer(engine) || typeof namespace !== 'string') return identify;
  const { limits, clock, refusals, frames, shared } = core;
  const admission = admissionFor(engine, {
    limits,
    clock,
    refusals,
    frames,
    shared,
    exclusive: false,
    trustedProxies: 0,
  });
  admission.serve(namespace);
  return async (request) => {
    const identity = await identify(request);
    admission.identified(socket.conn);
    return identity;
  };
}

/** A context that is being served. */
export interface Served {
  /** Ends the connection. Idempotent. */
  close: () => void;
  /** Handles a request. @param args - payload and acknowledgement */
  handle: (name: RequestName, args: readonly unknown[]) => void;
  /** Rejects a request that is not part of the protocol. */
  answerUnknown: (args: readonly unknown[]) => void;
}

/** Serves a context. The caller passes it the requests, from now on. */
export function serveContext(core: ServerCore, identify: Identify, context: Omit<LumenContext, 'on'>): Served {
  const { handshake } = context.socket;
  const auth = handshakeAuth(handshake?.auth);
  const connection = new Connection(
    core,
    createSocketAdapter(context),
    trackOutput(context.socket.conn, core.unread, core.outputTurns),
  );
  const request = {
    headers: context.headers ?? handshake?.headers ?? {},
    query: handshake?.query ?? {},
    token: auth.token,
    user: context.user,
  };
  void connection.open(() => identify(request), auth);
  return {
    close: () => connection.close(),
    handle: (name, args) => connection.handle(name, args),
    answerUnknown: (args) => connection.answerUnknown(args),
  };
}
