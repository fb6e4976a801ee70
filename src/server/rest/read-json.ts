import { CommError } from '../../protocol/errors.ts';
import { LIMITS } from '../../protocol/limits.ts';
import type { RestRequest } from './rest-request.ts';

/**
 * Reads the JSON body of a request. Counts the received bytes, because `Content-Length` can't be trusted.
 *
 * @throws CommError `MESSAGE_TOO_LONG` above the body limit, `INVALID` for anything but JSON
 */
export async function readJson(request: RestRequest): Promise<unknown> {
  // An HTML form of another site can't send this type without a CORS preflight.
  if (!/^application\/json\s*(?:;|$)/i.test(header(request, 'content-type'))) {
    throw new CommError('INVALID', 'The body must be JSON and content-type must be application/json');
  }
  const bytes = await readBytes(request);
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new CommError('INVALID', 'The body is not valid JSON');
  }
}

async function readBytes(request: RestRequest): Promise<Uint8Array> {
  if (Number(header(request, 'content-length')) > LIMITS.bodyBytes) throw tooLarge();
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of request.body()) {
    length += chunk.byteLength;
    // The remaining bytes are not received.
    if (length > LIMITS.bodyBytes) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function tooLarge(): CommError {
  return new CommError('MESSAGE_TOO_LONG', `The body must have at most ${LIMITS.bodyBytes} bytes`);
}

function header({ headers }: RestRequest, name: string): string {
  return String(headers[name] ?? '');
}
