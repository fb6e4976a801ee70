import { CommError } from '../../protocol/errors.ts';
import { LIMITS } from '../../protocol/limits.ts';

/**
 * The JSON of a request's body, counted while it is read: what a peer says about its length is not to be relied on.
 *
 * @throws CommError `MESSAGE_TOO_LONG` past the limit of one body, `INVALID` for what isn't JSON
 */
export async function readJson(request: Request): Promise<unknown> {
  // A form of another site can't send this type without being asked first (CORS preflight).
  if (!/^application\/json\s*(?:;|$)/i.test(request.headers.get('content-type') ?? '')) {
    throw new CommError('INVALID', 'The body must be JSON, with content-type: application/json');
  }
  const bytes = await readBytes(request);
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new CommError('INVALID', 'The body is not valid JSON');
  }
}

async function readBytes(request: Request): Promise<Uint8Array> {
  if (Number(request.headers.get('content-length') ?? 0) > LIMITS.bodyBytes) throw tooLarge();
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of request.body ?? []) {
    length += chunk.byteLength;
    // Leaving the loop cancels the stream: the rest is not even received.
    if (length > LIMITS.bodyBytes) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function tooLarge(): CommError {
  return new CommError('MESSAGE_TOO_LONG', `A body has at most ${LIMITS.bodyBytes} bytes`);
}
