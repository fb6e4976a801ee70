import { CommError, SERVER_ERROR_CODES, commErrorFrom, type ServerErrorCode } from '../protocol/errors.ts';
import { fields } from './fields.ts';

/** The code of an error answer without one. */
const CODE_OF_STATUS: Readonly<Record<number, ServerErrorCode>> = {
  401: 'UNAUTHENTICATED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  405: 'NOT_FOUND',
  408: 'UNAVAILABLE',
  409: 'CONFLICT',
  413: 'MESSAGE_TOO_LONG',
  429: 'RATE_LIMITED',
  501: 'UNSUPPORTED',
  502: 'UNAVAILABLE',
  503: 'UNAVAILABLE',
  504: 'UNAVAILABLE',
};

/**
 * Converts an error answer. The code of a body in the protocol's format takes precedence over the HTTP status.
 *
 * @param answer - the parsed body; `undefined` if it is not JSON
 */
export function restErrorOf(status: number, answer: unknown): CommError {
  const body = fields(fields(answer)?.['error']);
  if (SERVER_ERROR_CODES.some((code) => code === body?.['code'])) return commErrorFrom(body);
  const code = CODE_OF_STATUS[status] ?? (status >= 500 ? 'INTERNAL' : 'INVALID');
  return new CommError(code, `The server answered with HTTP status ${status}`);
}

/** Returns the parsed body of a response, or `undefined` if it is not JSON. */
export async function readJsonBody(response: Response): Promise<unknown> {
  const body = await response.text();
  try {
    return JSON.parse(body) as unknown;
  } catch {
    return undefined;
  }
}
