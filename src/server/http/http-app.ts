import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { errorFields } from '../../lib/logger.ts';
import { HTTP_STATUS, type ServerErrorCode } from '../../protocol/errors.ts';
import type { Core } from '../core.ts';
import type { AnswerRest, RestReply } from '../rest/call.ts';
import { isUnavailable } from '../store/outages.ts';
import { sendReply, sendResponse, toRequest, urlOf } from './node-http.ts';
import type { OriginPolicy } from './origins.ts';

/** A handler by the Fetch standard. */
export type Fetch = (request: Request) => Response | Promise<Response>;

export interface HttpAppOptions {
  core: Core;
  rest: AnswerRest;
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
      else await send(outgoing, refusal('INTERNAL', 'The server failed'));
    });
    core.inFlight.add(served);
  };
}

async function serve(options: HttpAppOptions, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const { core, rest, origins, fallback } = options;
  const url = urlOf(incoming);
  if (url === undefined) return await send(outgoing, refusal('INVALID', 'The request is not valid'));
  const { pathname } = url;
  const { method = 'GET', headers } = incoming;
  if (core.draining) outgoing.setHeader('connection', 'close');
  if (pathname === '/healthz') return await send(outgoing, json(200, { status: 'ok' }));
  if (pathname === '/readyz') return await send(outgoing, await readiness(core));
  if (!pathname.startsWith(`${core.config.restPath}/`)) return await serveElse(fallback, url, incoming, outgoing);
  const { origin, host } = headers;
  if (!origins.admits(origin, host))
    return await send(outgoing, refusal('FORBIDDEN', 'This origin or host name is not let in'));
  outgoing.setHeader('vary', 'Origin');
  if (origin !== undefined && origins.lists(origin)) outgoing.setHeader('access-control-allow-origin', origin);
  if (method === 'OPTIONS') return await send(outgoing, PREFLIGHT);
  outgoing.setHeader('access-control-expose-headers', 'Retry-After');
  // What stays unread must not keep the answer from being sent.
  const body = (): AsyncIterable<Uint8Array> => incoming.iterator({ destroyOnReturn: false });
  const reply = await rest({ method, url, headers, body });
  if (!incoming.complete) outgoing.setHeader('connection', 'close');
  await send(outgoing, reply);
}

/** What isn't ours. */
async function serveElse(
  fallback: Fetch | undefined,
  url: URL,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  if (fallback === undefined) return await send(outgoing, refusal('NOT_FOUND', 'Not found'));
  const request = toRequest(incoming, url);
  if (request === undefined) return await send(outgoing, refusal('INVALID', 'The request is not valid'));
  const response = await fallback(request);
  for (const [name, value] of Object.entries(SECURITY_HEADERS)) {
    if (!response.headers.has(name)) outgoing.setHeader(name, value);
  }
  await sendResponse(response, outgoing, incoming.method !== 'HEAD');
}

/** Whether requests are worth sending here: not while it ends, not while the database doesn't answer. */
async function readiness(core: Core): Promise<RestReply> {
  try {
    if (!core.draining) {
      await core.check();
      return json(200, { status: 'ready' });
    }
  } catch (error) {
    // What is answered as unavailable is in the log already, once.
    if (!isUnavailable(error)) core.logger.error('the database does not answer', errorFields(error));
  }
  return json(503, { status: 'unavailable' });
}

const PREFLIGHT: RestReply = {
  status: 204,
  headers: {
    'access-control-allow-methods': 'GET, POST, DELETE',
    'access-control-allow-headers': 'Authorization, Content-Type, X-User-Id',
    'access-control-max-age': '600',
  },
  body: '',
};

function refusal(code: ServerErrorCode, message: string): RestReply {
  return json(HTTP_STATUS[code], { error: { code, message } });
}

function json(status: number, body: unknown): RestReply {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}

async function send(outgoing: ServerResponse, reply: RestReply): Promise<void> {
  await sendReply({ ...reply, headers: { ...SECURITY_HEADERS, ...reply.headers } }, outgoing);
}
