import { isRetryable } from '../../lib/retry.ts';
import { CommError, isCommError } from '../../protocol/errors.ts';
import { LIMITS } from '../../protocol/limits.ts';
import type { UploadParts } from '../../protocol/files.ts';
import { fields } from '../../transport/fields.ts';
import { unreadable } from '../context.ts';
import { transfer } from './http-transfer.ts';
import { patientMs, type SendContext } from './send-file.ts';

/**
 * Sends a file to the storage of the server in parts, by URLs that the server has signed. After an interruption the server says
 * which parts are stored. It checks the file when it is asked after the last part.
 *
 * @param url - of the upload, at the server
 * @param first - the parts to begin with, as the server has sent them; asked for if they are absent or not valid
 * @returns `sent`, or another value if the file has to be sent to the server, which takes over what is stored: `interrupted` if the
 *   server says so, the URLs are not safe to use, or the server or the storage fails for the moment; `blocked` if the storage has
 *   taken no part, for example because it allows no requests from this page
 * @throws CommError if the server rejects the file; the reason of the signal
 */
export async function sendDirect(
  file: Blob,
  url: string,
  first: unknown,
  context: SendContext,
): Promise<'sent' | 'interrupted' | 'blocked'> {
  const { signal, persist, onProgress } = context;
  const known = { size: file.size, server: new URL(url) };
  let parts: UploadParts | undefined;
  let partBytes = 1;
  let storedBytes = 0;
  /** What the server reported last, and what the storage has taken since. */
  let reportedBytes = 0;
  let sentBytes = 0;
  /** Whether the storage was tried, and has taken no part yet. */
  let isBlocked = false;
  let hasTaken = false;

  const ask = async (): Promise<UploadParts> => {
    const found = await transfer(context, url, { method: 'GET' }, signal, async (response) =>
      partsOf((await response.json()) as unknown, known),
    );
    if (found === undefined) throw unreadable('state of an upload');
    storedBytes = found.storedBytes;
    if (storedBytes < reportedBytes + sentBytes) {
      throw new CommError('UNAVAILABLE', 'The storage has not kept what was sent');
    }
    reportedBytes = storedBytes;
    sentBytes = 0;
    return found;
  };
  /** @returns whether the file is stored */
  const sendPart = async (): Promise<boolean> => {
    // Only a PUT tells: without a connection the server can't be asked either.
    isBlocked = false;
    const current = parts ?? (await ask());
    // If this attempt fails, for example because the URL has expired, the next one asks for the current state.
    parts = undefined;
    const [part, ...missing] = current.missing;
    if (part === undefined) return true;
    ({ partBytes } = current);
    const start = (part.number - 1) * partBytes;
    const body = file.slice(start, start + partBytes);
    isBlocked = !hasTaken;
    await put(part.url, body, context);
    isBlocked = false;
    hasTaken = true;
    storedBytes += body.size;
    sentBytes += body.size;
    if (missing.length > 0) parts = { ...current, missing };
    return false;
  };

  try {
    parts = partsOf(first, known);
    // Less than a part is no progress: a storage keeps whole parts.
    while (!(await persist(sendPart, () => Math.floor(storedBytes / partBytes)))) onProgress(storedBytes);
    onProgress(file.size);
    return 'sent';
  } catch (error) {
    if (signal?.aborted !== true && isCommError(error) && (error.code === 'UNSUPPORTED' || isRetryable(error)))
      return isBlocked && error.code !== 'UNSUPPORTED' ? 'blocked' : 'interrupted';
    throw error;
  }
}

/**
 * The storage answers with errors of its own, such as 403 for a URL that has expired, and does not speak for the server. When it
 * wants to be asked again does not matter: after a few attempts the file is sent to the server.
 *
 * @throws CommError `UNAVAILABLE`; the reason of the signal
 */
async function put(url: string, body: Blob, context: SendContext): Promise<void> {
  const { signal } = context;
  const patient = { ...context, timeoutMs: patientMs(body.size) };
  try {
    await transfer(patient, url, { method: 'PUT', body }, signal, () => undefined);
  } catch (cause) {
    signal?.throwIfAborted();
    throw new CommError('UNAVAILABLE', 'The storage has not taken a part of the file', { cause });
  }
}

/**
 * Returns `undefined` for a state that does not fit a file of this size.
 *
 * @throws CommError `UNSUPPORTED` for URLs that are less safe than that of the server, or contain a password
 */
function partsOf(value: unknown, { size, server }: { size: number; server: URL }): UploadParts | undefined {
  const { partBytes, storedBytes, missing, expiresAt } = fields(value) ?? {};
  if (!isCount(partBytes) || partBytes === 0 || !isCount(storedBytes) || storedBytes > size) return undefined;
  if (!Array.isArray(missing) || missing.length > LIMITS.uploadParts) return undefined;
  if (missing.length === 0 && storedBytes < size) return undefined;
  const parts = new Map<number, string>();
  for (const each of missing as readonly unknown[]) {
    const { number, url } = fields(each) ?? {};
    if (!isCount(number) || number === 0 || number > Math.ceil(size / partBytes) || parts.has(number)) return undefined;
    if (typeof url !== 'string' || !/^https?:\/\//i.test(url) || !URL.canParse(url)) return undefined;
    const { protocol, username, password } = new URL(url);
    if ((protocol === 'http:' && server.protocol === 'https:') || username + password !== '') {
      throw new CommError('UNSUPPORTED', 'The server sent a URL of its storage that is not safe to use');
    }
    parts.set(number, url);
  }
  return {
    partBytes,
    storedBytes,
    missing: Array.from(parts, ([number, url]) => ({ number, url })),
    expiresAt: String(expiresAt),
  };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}
