import { errorFields } from '../lib/logger.ts';
import { CommError, HTTP_STATUS, isCommError, type ErrorBody, type ServerErrorCode } from '../protocol/errors.ts';
import { createIdentify, type Identify, type IdentifyOptions } from './auth.ts';
import { coreOf, type Core, type CoreOptions } from './core.ts';
import { REST_HANDLERS } from './rest/handlers.ts';
import { matchRoute, type RouteMatch } from './rest/match.ts';
import { KeyedLimit, TokenBucket } from './services/rate-limit.ts';

/** What the routes serve, and how they know who asks. */
export interface CommunicationRoutesOptions extends CoreOptions, IdentifyOptions {}

/** Answers a request by the Fetch standard. Never rejects. */
export type CommunicationRoutes = (request: Request) => Promise<Response>;

/**
 * The REST routes of the protocol, by the Fetch standard: for LumenJS's api files, Hono, Node, Deno and Bun. What isn't
 * one of them is answered 404. Given the same `db` as {@link createCommunicationHandler} they are one server: what is
 * changed here is pushed there.
 *
 * Every error has the body `{ error: { code, message, retryAfterMs? } }`.
 */
export function createCommunicationRoutes(options: CommunicationRoutesOptions = {}): CommunicationRoutes {
  const core = coreOf(options);
  return serveRequests(core, createIdentify(options, core.logger));
}

/** The same for a core that is there already. */
export function serveRequests(core: Core, identify: Identify): CommunicationRoutes {
  const { clock, config, inFlight } = core;
  const limit = new KeyedLimit(
    (now) => new TokenBucket(config.restFlood, now),
    () => clock.now(),
  );
  return (request) => {
    const response = answer(core, identify, limit, request).catch((error: unknown) => refusal(core, error));
    inFlight.add(response);
    return response;
  };
}

async function answer(core: Core, identify: Identify, limit: KeyedLimit, request: Request): Promise<Response> {
  const url = new URL(request.url);
  const route = matchRoute(request.method, url.pathname, core.config.restPath);
  if (route === undefined) throw new CommError('NOT_FOUND', 'Not found');
  if (core.draining) throw new CommError('UNAVAILABLE', 'The server is going down', { retryAfterMs: 1_000 });
  await core.ready();
  const { userId } = await identify({
    headers: Object.fromEntries(request.headers),
    query: Object.fromEntries(url.searchParams),
  });
  limit.take(userId);
  return await run(core, route, userId, url, request);
}

async function run(
  { services }: Core,
  { name, id = '' }: RouteMatch,
  userId: string,
  url: URL,
  request: Request,
): Promise<Response> {
  const caller = { userId, caps: new Set<never>() };
  const query = Object.fromEntries(url.searchParams);
  const { body, status = 200 } = await REST_HANDLERS[name]({ services, caller, id, query, request });
  return json(status, body);
}

function refusal({ logger }: Core, error: unknown): Response {
  const body = errorBody(error);
  if (body.code === 'INTERNAL') logger.error('A REST request failed', errorFields(error));
  const status = HTTP_STATUS[body.code];
  return json(
    status,
    { error: body },
    {
      ...(status === 401 && { 'www-authenticate': 'Bearer' }),
      ...(body.retryAfterMs !== undefined && { 'retry-after': String(Math.ceil(body.retryAfterMs / 1_000)) }),
    },
  );
}

function errorBody(error: unknown): ErrorBody {
  if (!isCommError(error) || !(error.code in HTTP_STATUS)) return { code: 'INTERNAL', message: 'The server failed' };
  const { message, retryAfterMs } = error;
  return { code: error.code as ServerErrorCode, message, ...(retryAfterMs !== undefined && { retryAfterMs }) };
}

function json(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: {
      'content-type': 'application/json; charset=utf-8',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      ...headers,
    },
  });
}
