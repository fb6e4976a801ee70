import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import type { Output, UnreadOutput } from '../services/limits/unread-output.ts';
import { acceptedBytes } from './accepted-bytes.ts';
import type { RestResponse, StreamedBody } from '../rest/rest-request.ts';

/**
 * Returns the URL of a request, or `undefined` if it is not valid. The host is fixed, because the `Host` header is
 * chosen by the peer.
 */
export function urlOf({ url = '/' }: IncomingMessage): URL | undefined {
  return url.startsWith('/') ? (URL.parse(`http://localhost${url}`) ?? undefined) : undefined;
}

/** Converts a Node request to a Fetch API request; `undefined` if the Fetch API doesn't allow it. */
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
    // A method that the Fetch API forbids, such as TRACE.
    return undefined;
  }
}

/**
 * Sends a response: head, length and body in one write, or a file with backpressure. Resolves when the response is written
 * or the connection is closed.
 */
export async function sendRestResponse(
  { status, headers, body, userId }: RestResponse,
  outgoing: ServerResponse,
  unread: UnreadOutput,
): Promise<void> {
  // The connection was closed while the request was processed: `close` is not emitted again.
  if (outgoing.destroyed) {
    if (typeof body !== 'string') body.release();
    return;
  }
  if (typeof body !== 'string') {
    outgoing.writeHead(status, headers);
    await sendStreamed(body, outgoing, trackedOutput(outgoing, unread, userId), unread);
    return;
  }
  await new Promise<void>((resolve) => {
    outgoing.once('close', resolve);
    const bytes = Buffer.byteLength(body);
    const length = status === 204 || status === 304 ? {} : { 'content-length': bytes };
    // The response to HEAD names the length of the body that it doesn't have.
    outgoing.writeHead(status, { ...length, ...headers });
    // ASCII, which needs no encoding, is copied.
    outgoing.end(body, bytes === body.length ? 'latin1' : 'utf8');
    unread.wrote(trackedOutput(outgoing, unread, userId), bytes);
  });
}

async function sendStreamed(
  { chunks, release }: StreamedBody,
  outgoing: ServerResponse,
  output: Output,
  unread: UnreadOutput,
): Promise<void> {
  const counted = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      unread.wrote(output, chunk.byteLength);
      yield chunk;
    }
  };
  try {
    await pipeline(counted, outgoing);
  } catch {
    // The connection was closed or the file could not be read. Destroying the connection reports the failure to the peer.
    outgoing.destroy();
  } finally {
    release();
  }
}

/** Measures the unread output of a response, so that it is closed if the peer doesn't read it. */
function trackedOutput(outgoing: ServerResponse, unread: UnreadOutput, userId?: string): Output {
  // A pipelined response has no socket of its own until the ones before it are written.
  const { socket } = outgoing.req;
  const output: Output = {
    userId,
    isResponse: true,
    unreadBytes: () => outgoing.writableLength,
    progress: () => acceptedBytes(socket),
    close: () => void socket.destroy(),
  };
  outgoing.once('close', () => unread.ended(output));
  return output;
}

/** Streams a response with backpressure. Resolves when it is written or the connection is closed. */
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
    // The connection was closed or the body failed. Destroying the connection reports the failure to the peer.
    outgoing.destroy();
  }
}

function headerPairs(headers: IncomingMessage['headers']): [string, string][] {
  return Object.entries(headers).flatMap(([name, value]): [string, string][] => {
    if (value === undefined || name.startsWith(':')) return [];
    return Array.isArray(value) ? value.map((each) => [name, each]) : [[name, value]];
  });
}
