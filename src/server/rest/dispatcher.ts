import { errorFields } from '../../lib/logger.ts';
import { SERVER_SPAN, traced } from '../../lib/tracing.ts';
import { CommError, errorBodyOf, HTTP_STATUS } from '../../protocol/errors.ts';
import type { Capability } from '../../protocol/constants.ts';
import type { Identify } from '../auth/authenticate.ts';
import type { ServerCore } from '../server-core.ts';
import { recordRefusal } from '../record-refusal.ts';
import { answerFor, jsonAnswerFor } from '../services/chat/file-names.ts';
import type { RestDispatcher, RestRequest, RestResponse } from './rest-request.ts';
import { handleFileRoute, matchFileRoute } from './file-routes.ts';
import { documentResponse, matchDocument } from './document-routes.ts';
import { REST_HANDLERS } from './route-handlers.ts';
import { matchRoute, type RouteMatch } from './match-route.ts';

const NO_CAPABILITIES: ReadonlySet<Capability> = new Set();
/** Of a request with the query parameter `caps=batch`. */
const BATCH: ReadonlySet<Capability> = new Set(['batch']);
const HEADERS = {
  'content-type': 'application/json; charset=utf-8',
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
} as const;

/** Creates the function that authenticates a REST request, charges it and runs the handler of its route. */
export function createRestDispatcher(core: ServerCore, identify: Identify): RestDispatcher {
  const { inFlight } = core;
  return (request) => {
    const response = dispatch(core, identify, request).catch((error: unknown) => errorResponse(core, error));
    inFlight.add(response);
    return response;
  };
}

async function dispatch(core: ServerCore, identify: Identify, request: RestRequest): Promise<RestResponse> {
  const { method, url } = request;
  const document = matchDocument(method, url.pathname, core.config.restPath);
  if (document !== undefined) return await documentResponse(core, request, document);
  const fileRoute = matchFileRoute(url.pathname, core.config.restPath);
  const route = matchRoute(method, url.pathname, core.config.restPath);
  if (route === undefined && fileRoute === undefined) throw new CommError('NOT_FOUND', 'Not found');
  if (core.draining) throw new CommError('UNAVAILABLE', 'The server is shutting down', { retryAfterMs: 1_000 });
  await core.ready();
  if (route === undefined) return await handleFileRoute(core, identify, request, fileRoute);
  return await traced(core.tracer, `REST ${route.name}`, { kind: SERVER_SPAN }, async (span) => {
    try {
      return await handleRoute(core, identify, request, route);
    } catch (error) {
      recordRefusal(span, errorBodyOf(error).code);
      return errorResponse(core, error);
    }
  });
}

async function handleRoute(
  core: ServerCore,
  identify: Identify,
  request: RestRequest,
  { name, id = '' }: RouteMatch,
): Promise<RestResponse> {
  const { url, headers } = request;
  const query = Object.fromEntries(url.searchParams);
  const { userId, profile } = await identify({ headers, query });
  const { services } = core;
  const caller = { userId, caps: query['caps']?.split(',').includes('batch') === true ? BATCH : NO_CAPABILITIES };
  const charged = {
    ...request,
    body: () => countBytes(request.body(), (bytes) => services.budgets.chargeBytes(caller, bytes)),
  };
  services.budgets.chargeRequest(caller);
  await services.userBans.require(userId);
  if (profile !== undefined) await services.profiles.claimed(userId, profile);
  core.unread.admit(userId);
  const release = core.restRequests.take(userId);
  try {
    await core.turns.next(userId);
    const result = await REST_HANDLERS[name]({ services, caller, id, query, request: charged });
    const body = 'json' in result ? jsonAnswerFor(caller, result.json) : JSON.stringify(answerFor(caller, result.body));
    return { status: result.status ?? 200, headers: HEADERS, body, userId };
  } finally {
    release();
  }
}

/** Charges a body while it is received. */
async function* countBytes(
  body: AsyncIterable<Uint8Array>,
  count: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    count(chunk.byteLength);
    yield chunk;
  }
}

function errorResponse({ logger, refusals }: ServerCore, error: unknown): RestResponse {
  const body = errorBodyOf(error);
  refusals.count(body.code);
  if (body.code === 'INTERNAL') logger.error('REST request failed', errorFields(error));
  const status = HTTP_STATUS[body.code];
  const headers = {
    ...HEADERS,
    ...(status === 401 && { 'www-authenticate': 'Bearer' }),
    ...(body.retryAfterMs !== undefined && { 'retry-after': String(Math.ceil(body.retryAfterMs / 1_000)) }),
  };
  return { status, headers, body: JSON.stringify({ error: body }) };
}
