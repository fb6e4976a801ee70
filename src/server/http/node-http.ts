import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';

/** A Node request by the Fetch standard; undefined where its URL is none. */
export function toRequest(incoming: IncomingMessage): Request | undefined {
  const { method = 'GET', headers } = incoming;
  // Only the path counts: `Host` is whatever the peer says.
  const url = URL.parse(`http://localhost${incoming.url ?? '/'}`);
  if (url === null || incoming.url?.startsWith('/') !== true) return undefined;
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
