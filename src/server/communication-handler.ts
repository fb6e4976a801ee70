import type { RequestName } from '../protocol/events.ts';
import { createIdentify, type Identify, type IdentifyOptions } from './auth.ts';
import { Connection, handshakeAuth } from './connection.ts';
import { coreOf, type Core, type CoreOptions } from './core.ts';
import { HANDLERS } from './handlers/index.ts';
import { linkOf, type LumenContext } from './socket-io.ts';

export interface CommunicationHandlerOptions extends CoreOptions, IdentifyOptions {}

const REQUEST_NAMES = Object.keys(HANDLERS) as RequestName[];

/**
 * What a LumenJS page exports as `socket`: takes the connection's context and returns its cleanup.
 *
 * ```ts
 * export const socket = createCommunicationHandler({ db });
 * ```
 *
 * Handlers and routes that are given the same `db` are one server. Without a `db` it works in memory, by the same rules.
 * Who somebody is: `authenticate`, else `getUserId(headers, query)`, else the context's `user`, else the header
 * `x-user-id` or the query `userId`; that last one with `NODE_ENV=production` only with `trustUserIdHeader`.
 */
export function createCommunicationHandler(
  options: CommunicationHandlerOptions = {},
): (context: LumenContext) => () => void {
  const core = coreOf(options);
  const identify = createIdentify(options, core.logger);
  return (context) => serveContext(core, identify, context).close;
}

/** A context being served. */
export interface Served {
  /** Twice is once. */
  close: () => void;
  /** Answers a request that is none of the protocol. */
  answerUnknown: (args: readonly unknown[]) => void;
}

/** Listens at once, so that nothing a client emits in its first moments is lost. */
export function serveContext(core: Core, identify: Identify, context: LumenContext): Served {
  const { handshake } = context.socket;
  const auth = handshakeAuth(handshake?.auth);
  const connection = new Connection(core, linkOf(context));
  for (const name of REQUEST_NAMES) context.on(name, (...args) => connection.handle(name, args));
  const request = {
    headers: context.headers ?? handshake?.headers ?? {},
    query: handshake?.query ?? {},
    token: auth.token,
    user: context.user,
  };
  void connection.open(() => identify(request), auth);
  return { close: () => connection.close(), answerUnknown: (args) => connection.answerUnknown(args) };
}
