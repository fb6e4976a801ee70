import { errorFields } from '../../lib/logger.ts';
import { CommError, HTTP_STATUS, isCommError, type ErrorBody, type ServerErrorCode } from '../../protocol/errors.ts';
import type { Identify } from '../auth.ts';
import type { Core } from '../core.ts';
import { KeyedLimit, TokenBucket } from '../services/rate-limit.ts';
import type { AnswerRest, RestCall, RestReply } from './call.ts';
import { REST_HANDLERS } from './handlers.ts';
import { matchRoute } from './match.ts';

const NO_CAPABILITIES = new Set<never>();
const HEADERS = {
  'content-type': 'application/json; charset=utf-8',
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
} as const;

/** The REST routes of the protocol. What isn't one of them is answered 404. */
export function restAnswers(core: Core, identify: Identify): AnswerRest {
  const { clock, config, inFlight } = core;
  const limit = new KeyedLimit(
    (now) => new TokenBucket(config.restFlood, now),
    () => clock.now(),
  );
  return (call) => {
    const reply = answer(core, identify, limit, call).catch((error: unknown) => refusal(core, error));
    inFlight.add(reply);
    return reply;
  };
}

async function answer(core: Core, identify: Identify, limit: KeyedLimit, call: RestCall): Promise<RestReply> {
  const { method, url, headers } = call;
  const route = matchRoute(method, url.pathname, core.config.restPath);
  if (route === undefined) throw new CommError('NOT_FOUND', 'Not found');
  if (core.draining) throw new CommError('UNAVAILABLE', 'The server is going down', { retryAfterMs: 1_000 });
  await core.ready();
  const query = Object.fromEntries(url.searchParams);
  const { userId } = await identify({ headers, query });
  limit.take(userId);
  const caller = { userId, caps: NO_CAPABILITIES };
  const { name, id = '' } = route;
  const { body, status = 200 } = await REST_HANDLERS[name]({ services: core.services, caller, id, query, call });
  return { status, headers: HEADERS, body: JSON.stringify(body) };
}

function refusal({ logger }: Core, error: unknown): RestReply {
  const body = errorBody(error);
  if (body.code === 'INTERNAL') logger.error('A REST request failed', errorFields(error));
  const status = HTTP_STATUS[body.code];
  const headers = {
    ...HEADERS,
    ...(status === 401 && { 'www-authenticate': 'Bearer' }),
    ...(body.retryAfterMs !== undefined && { 'retry-after': String(Math.ceil(body.retryAfterMs / 1_000)) }),
  };
  return { status, headers, body: JSON.stringify({ error: body }) };
}

function errorBody(error: unknown): ErrorBody {
  if (!isCommError(error) || !(error.code in HTTP_STATUS)) return { code: 'INTERNAL', message: 'The server failed' };
  const { message, retryAfterMs } = error;
  return { code: error.code as ServerErrorCode, message, ...(retryAfterMs !== undefined && { retryAfterMs }) };
}
