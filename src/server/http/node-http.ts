import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import type { RestReply } from '../rest/call.ts';

/** Where a request goes; undefined where its URL is none. Only the path counts: `Host` is whatever the peer says. */
export function urlOf({ url = '/' }: IncomingMessage): URL | undefined {
  return url.startsWith('/') ? (URL.parse(`http://localhost${url}`) ?? undefined) : undefined;
}

/** A Node request by the Fetch standard; undefined where that has no such request. */
export function toRequest(incoming: IncomingMessage, url: URL): Request | undefined {
  const { method = 'GET', headers } = incoming;
  const init: RequestInit & { duplex?: 'half' } = { method, headers: headerPairs(headers) };
  if (method !== 'GET' && method !== 'HEAD') {
    init.body = Readable.toWeb(incoming) as RequestInit['body'] & object;
    init.duplex = 'half';
  }
  try {
    return new Request(url, init);
  } catch {
    // A method that the standard forbids, such as TRACE.
    return undefined;
  }
}

/** In one piece: head, length and body leave in a single write. Resolves when it is written or the peer has gone. */
export function sendReply({ status, headers, body }: RestReply, outgoing: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    outgoing.once('close', resolve);
    const length = status === 204 ? {} : { 'content-length': Buffer.byteLength(body) };
    outgoing.writeHead(status, { ...headers, ...length });
    outgoing.end(body);
  });
}

/** Writes `response`, no faster than it is read. Resolves when it is written or the peer has gone. */
export async function sendResponse(response: Response, outgoing: ServerResponse, withBody = true): Promise<void> {
  for (const [name, value] of response.headers) outgoing.appendHeader(name, value);
  outgoing.writeHead(response.status);
  if (response.body === null || !withBody) {
    await response.body?.cancel();
    outgoing.end();
    return;
  }
  try {
    await pipeline(Readable.fromWeb(response.body as ReadableStream), outgoing);
  } catch {
    // The peer has gone, or the body broke off: a cut connection says so.
    outgoing.destroy();
  }
}

function headerPairs(headers: IncomingMessage['headers']): [string, string][] {
  return Object.entries(headers).flatMap(([name, value]): [string, string][] => {
    if (value === undefined || name.startsWith(':')) return [];
    return Array.isArray(value) ? value.map((each) => [name, each]) : [[name, value]];
  });
}
