import { CommError } from '../../protocol/errors.ts';
import { LIMITS } from '../../protocol/limits.ts';
import type { RestCall } from './call.ts';

/**
 * The JSON of a request's body, counted while it is read: what a peer says about its length is not to be relied on.
 *
 * @throws CommError `MESSAGE_TOO_LONG` past the limit of one body, `INVALID` for what isn't JSON
 */
export async function readJson(call: RestCall): Promise<unknown> {
  // A form of another site can't send this type without being asked first (CORS preflight).
  if (!/^application\/json\s*(?:;|$)/i.test(header(call, 'content-type'))) {
    throw new CommError('INVALID', 'The body must be JSON, with content-type: application/json');
  }
  const bytes = await readBytes(call);
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new CommError('INVALID', 'The body is not valid JSON');
  }
}

async function readBytes(call: RestCall): Promise<Uint8Array> {
  if (Number(header(call, 'content-length')) > LIMITS.bodyBytes) throw tooLarge();
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of call.body()) {
    length += chunk.byteLength;
    // The rest is not even received.
    if (length > LIMITS.bodyBytes) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function tooLarge(): CommError {
  return new CommError('MESSAGE_TOO_LONG', `A body has at most ${LIMITS.bodyBytes} bytes`);
}

function header({ headers }: RestCall, name: string): string {
  return String(headers[name] ?? '');
}
