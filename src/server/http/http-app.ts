import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { errorFields } from '../../lib/logger.ts';
import { HTTP_STATUS, type ServerErrorCode } from '../../protocol/errors.ts';
import type { Core } from '../core.ts';
import { sendResponse, toRequest } from './node-http.ts';
import type { OriginPolicy } from './origins.ts';

/** A handler by the Fetch standard. */
export type Fetch = (request: Request) => Response | Promise<Response>;

export interface HttpAppOptions {
  core: Core;
  routes: Fetch;
  origins: OriginPolicy;
  /** Everything that isn't ours. */
  fallback: Fetch | undefined;
}

/** On every answer: no guessing of types, no framing, no referrer. An answer's own headers come first. */
const SECURITY_HEADERS = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
} as const;

/** REST, health and whatever the app adds, on Node's HTTP server. Socket.IO has taken its own path before. */
export function httpApp(options: HttpAppOptions): RequestListener {
  const { core } = options;
  return (incoming, outgoing) => {
    const served = serve(options, incoming, outgoing).catch(async (error: unknown) => {
      core.logger.error('an HTTP request failed', errorFields(error));
      if (outgoing.headersSent) outgoing.destroy();
      else await send(incoming, outgoing, refusal('INTERNAL', 'The server failed'));
    });
    core.inFlight.add(served);
  };
}

async function serve(options: HttpAppOptions, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const { core, routes, origins, fallback } = options;
  const request = toRequest(incoming);
  if (request === undefined) return await send(incoming, outgoing, refusal('INVALID', 'The request is not valid'));
  const { pathname } = new URL(request.url);
  const answer = async (response: Response | Promise<Response>): Promise<void> =>
    await send(incoming, outgoing, await response);
  if (core.draining) outgoing.setHeader('connection', 'close');
  if (pathname === '/healthz') return await answer(Response.json({ status: 'ok' }));
  if (pathname === '/readyz') return await answer(readiness(core));
  if (!pathname.startsWith(`${core.config.restPath}/`)) {
    return await answer(fallback === undefined ? refusal('NOT_FOUND', 'Not found') : fallback(request));
  }
  const { origin, host } = incoming.headers;
  if (!origins.admits(origin, host)) return await answer(refusal('FORBIDDEN', 'This origin is not let in'));
  outgoing.setHeader('vary', 'Origin');
  if (origin !== undefined && origins.lists(origin)) outgoing.setHeader('access-control-allow-origin', origin);
  if (request.method === 'OPTIONS') return await answer(preflight());
  outgoing.setHeader('access-control-expose-headers', 'Retry-After');
  await answer(routes(request));
}

/** Whether requests are worth sending here: not while it ends, not while the database doesn't answer. */
async function readiness(core: Core): Promise<Response> {
  try {
    if (!core.draining) {
      await core.check();
      return Response.json({ status: 'ready' });
    }
  } catch (error) {
    core.logger.error('the database does not answer', errorFields(error));
  }
  return Response.json({ status: 'unavailable' }, { status: 503 });
}

function preflight(): Response {
  return new Response(null, {
    status: 204,
    headers: {
      'access-control-allow-methods': 'GET, POST, DELETE',
      'access-control-allow-headers': 'Authorization, Content-Type, X-User-Id',
      'access-control-max-age': '600',
    },
  });
}

function refusal(code: ServerErrorCode, message: string): Response {
  return Response.json({ error: { code, message } }, { status: HTTP_STATUS[code] });
}

async function send(incoming: IncomingMessage, outgoing: ServerResponse, response: Response): Promise<void> {
  for (const [name, value] of Object.entries(SECURITY_HEADERS)) {
    if (!response.headers.has(name)) outgoing.setHeader(name, value);
  }
  await sendResponse(response, outgoing, incoming.method !== 'HEAD');
}
