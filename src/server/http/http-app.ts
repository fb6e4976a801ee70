import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { errorFields } from '../../lib/logger.ts';
import { HTTP_STATUS, type ServerErrorCode } from '../../protocol/errors.ts';
import type { ServerCore } from '../server-core.ts';
import { tusOptions } from '../rest/file-routes.ts';
import type { RestDispatcher, RestResponse } from '../rest/rest-request.ts';
import { readiness } from './health.ts';
import { metrics } from './metrics.ts';
import { sendRestResponse, sendResponse, toRequest, urlOf } from './node-http.ts';
import { peerAddress, peerScheme } from './peer-address.ts';
import type { OriginPolicy } from './origins.ts';

/** A Fetch API request handler. */
export type Fetch = (request: Request) => Response | Promise<Response>;

/** Parts that {@link httpApp} connects. */
export interface HttpAppOptions {
  core: ServerCore;
  rest: RestDispatcher;
  origins: OriginPolicy;
  /** Number of proxies in front of the server; see {@link peerAddress}. */
  trustedProxies: number;
  /** Handles requests that are not part of the protocol. */
  fallback: Fetch | undefined;
}

/**
 * Headers of every response: no MIME sniffing, no framing, no referrer. Headers of the response itself take precedence.
 */
const SECURITY_HEADERS = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
} as const;

/**
 * Creates the request listener for REST, health checks and the app's own routes. Socket.IO handles its own path before
 * it.
 */
export function httpApp(options: HttpAppOptions): RequestListener {
  const { core } = options;
  return (incoming, outgoing) => {
    const served = serve(options, incoming, outgoing).catch(async (error: unknown) => {
      core.logger.error('HTTP request failed', errorFields(error));
      if (outgoing.headersSent) outgoing.destroy();
      else await send(core, outgoing, errorResponse('INTERNAL', 'Internal server error'));
    });
    core.inFlight.add(served);
  };
}

async function serve(options: HttpAppOptions, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const { core, rest, origins } = options;
  const url = urlOf(incoming);
  if (url === undefined) return await send(core, outgoing, errorResponse('INVALID', 'The request URL is not valid'));
  const { pathname } = url;
  const { method = 'GET', headers } = incoming;
  if (core.draining) outgoing.setHeader('connection', 'close');
  if (pathname === '/healthz') return await send(core, outgoing, json(200, { status: 'ok' }));
  if (pathname === '/metrics') return await send(core, outgoing, await metrics(core));
  if (pathname === '/readyz') return await send(core, outgoing, await readiness(core));
  if (!pathname.startsWith(`${core.config.restPath}/`)) return await serveFallback(options, url, incoming, outgoing);
  const { origin, host } = headers;
  if (!origins.allows(origin, host, peerScheme(incoming, options.trustedProxies))) {
    core.refusals.note('origin or host name rejected', 'FORBIDDEN');
    return await send(core, outgoing, errorResponse('FORBIDDEN', 'This origin or host name is not allowed'));
  }
  outgoing.setHeader('vary', 'Origin');
  if (origin !== undefined && origins.lists(origin)) outgoing.setHeader('access-control-allow-origin', origin);
  if (method === 'OPTIONS') {
    const headers = { ...PREFLIGHT.headers, ...tusOptions(pathname, core.config) };
    return await send(core, outgoing, { ...PREFLIGHT, headers });
  }
  outgoing.setHeader('access-control-expose-headers', EXPOSED_HEADERS);
  // A partly read body must not prevent the response from being sent.
  const body = (): AsyncIterable<Uint8Array> => incoming.iterator({ destroyOnReturn: false });
  const response = await rest({ method, url, headers, address: peerAddress(incoming, options.trustedProxies), body });
  if (!incoming.complete) outgoing.setHeader('connection', 'close');
  await send(core, outgoing, response);
}

/** Passes a request to the app. */
async function serveFallback(
  { core, fallback }: HttpAppOptions,
  url: URL,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): Promise<void> {
  if (fallback === undefined) return await send(core, outgoing, errorResponse('NOT_FOUND', 'Not found'));
  const request = toRequest(incoming, url);
  if (request === undefined)
    return await send(core, outgoing, errorResponse('INVALID', 'The request URL is not valid'));
  const fallbackResponse = await fallback(request);
  for (const [name, value] of Object.entries(SECURITY_HEADERS)) {
    if (!fallbackResponse.headers.has(name)) outgoing.setHeader(name, value);
  }
  await sendResponse(fallbackResponse, outgoing, incoming.method !== 'HEAD');
}

const EXPOSED_HEADERS = 'Content-Range, Retry-After, Upload-Expires, Upload-Length, Upload-Offset';

const PREFLIGHT: RestResponse = {
  status: 204,
  headers: {
    'access-control-allow-methods': 'GET, HEAD, POST, PUT, PATCH, DELETE',
    'access-control-allow-headers':
      'Authorization, Content-Type, If-Range, Range, Tus-Resumable, Upload-Offset, X-User-Id',
    'access-control-max-age': '600',
  },
  body: '',
};

function errorResponse(code: ServerErrorCode, message: string): RestResponse {
  return json(HTTP_STATUS[code], { error: { code, message } });
}

function json(status: number, body: unknown): RestResponse {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}

async function send({ unread }: ServerCore, outgoing: ServerResponse, response: RestResponse): Promise<void> {
  await sendRestResponse({ ...response, headers: { ...SECURITY_HEADERS, ...response.headers } }, outgoing, unread);
}
