import { abortable } from '../../lib/abort.ts';
import type { Clock } from '../../lib/clock.ts';
import { CommError } from '../../protocol/errors.ts';
import { readJsonBody, restErrorOf } from '../../transport/rest-error.ts';

/** What a transfer needs of the client. */
export interface TransferContext {
  readonly fetch: typeof fetch;
  readonly clock: Clock;
  /** Time in ms until the response to a request. @defaultValue 60_000 */
  readonly timeoutMs?: number | undefined;
}

/** Time in ms that a part of a transfer may take. Parts are small enough for slow connections. */
const PART_TIMEOUT_MS = 60_000;

/**
 * Sends one request of a transfer and reads its response.
 *
 * @param read - reads the response; the time it takes is limited, too
 * @throws CommError with the server's code, `TIMEOUT`, or `DISCONNECTED` if there is no answer; the reason of `signal`
 */
export async function transfer<T>(
  { fetch, clock, timeoutMs = PART_TIMEOUT_MS }: TransferContext,
  url: string,
  init: RequestInit,
  signal: AbortSignal | undefined,
  read: (response: Response, restart: () => void) => T | Promise<T>,
): Promise<T> {
  const timeout = new AbortController();
  let stopTimer = (): void => undefined;
  const restart = (limitMs = PART_TIMEOUT_MS): void => {
    stopTimer();
    stopTimer = clock.after(limitMs, () => timeout.abort());
  };
  restart(timeoutMs);
  const either = signal === undefined ? timeout.signal : AbortSignal.any([timeout.signal, signal]);
  try {
    const response = await abortable(fetch(url, { ...init, signal: either }), either);
    if (!response.ok) throw restErrorOf(response.status, await abortable(readJsonBody(response), either));
    return await abortable(Promise.resolve(read(response, restart)), either);
  } catch (cause) {
    if (signal?.aborted === true) throw signal.reason as Error;
    if (cause instanceof CommError) throw cause;
    // The URL is a credential, so the error doesn't contain it.
    if (timeout.signal.aborted) throw new CommError('TIMEOUT', 'The transfer made no progress in time');
    throw new CommError('DISCONNECTED', 'The connection was lost during the transfer', { cause });
  } finally {
    stopTimer();
  }
}
