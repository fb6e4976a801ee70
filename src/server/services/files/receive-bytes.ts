import type { Clock } from '../../../lib/clock.ts';
import { CommError } from '../../../protocol/errors.ts';

/** Bounds of a body that is received. */
export interface ReceiveOptions {
  /** Maximum number of bytes. */
  readonly max: number;
  /** Time in ms that a peer has to send the next bytes. */
  readonly idleMs: number;
  /** Ends the body. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
}

/**
 * Passes on the chunks of a request's body. Bytes above the maximum are not passed on.
 *
 * @throws CommError `FILE_TOO_LARGE` above the maximum, `UNAVAILABLE` if the peer sends nothing in time or closes the
 *   connection, `CONFLICT` if the signal is aborted
 */
export async function* receiveBytes(
  body: AsyncIterable<Uint8Array>,
  { max, idleMs, signal, clock }: ReceiveOptions,
): AsyncGenerator<Uint8Array> {
  const chunks = body[Symbol.asyncIterator]();
  let failure: CommError | undefined;
  let fail = (_: CommError): void => undefined;
  const stop = (error: CommError): void => {
    failure ??= error;
    fail(failure);
  };
  const abort = (): void => stop(new CommError('CONFLICT', 'Another request continues this upload'));
  if (signal.aborted) abort();
  else signal.addEventListener('abort', abort, { once: true });
  // Not a race with one promise of the whole body: that would keep every chunk until the body ends.
  const next = async (): Promise<IteratorResult<Uint8Array>> =>
    new Promise((resolve, reject) => {
      fail = reject;
      if (failure !== undefined) reject(failure);
      chunks.next().then(resolve, reject);
    });
  let received = 0;
  try {
    for (;;) {
      const cancel = clock.after(idleMs, () => stop(new CommError('UNAVAILABLE', 'No bytes were received in time')));
      const result = await next().finally(cancel);
      if (result.done === true) return;
      received += result.value.byteLength;
      if (received > max) throw new CommError('FILE_TOO_LARGE', 'The body has more bytes than were announced');
      yield result.value;
    }
  } catch (error) {
    throw error instanceof CommError ? error : new CommError('UNAVAILABLE', 'The body was cut off', { cause: error });
  } finally {
    signal.removeEventListener('abort', abort);
    // Not awaited: the next chunk, for which the iterator waits, may never arrive.
    void chunks.return?.().catch(() => undefined);
  }
}
