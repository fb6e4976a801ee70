import { backoffMs, type BackoffOptions } from './backoff.ts';
import type { Clock } from './clock.ts';
import type { RandomSource } from './random.ts';

/** What {@link retry} waits by. */
export interface RetryContext {
  readonly clock: Clock;
  readonly random: RandomSource;
}

/** How {@link retry} repeats a task. */
export interface RetryOptions {
  /** @defaultValue waits of up to 2 s at first and of up to a minute at last */
  readonly backoff?: BackoffOptions | undefined;
  /** Aborting ends the wait before the next attempt. An attempt that is under way is not interrupted. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Decides whether another attempt can succeed.
   * @defaultValue {@link isRetryable}
   */
  readonly shouldRetry?: ((error: unknown) => boolean) | undefined;
  /** The error of an attempt that was made before: the task starts with a wait. */
  readonly lastError?: unknown;
}

const BACKOFF: BackoffOptions = { baseMs: 2_000, maxMs: 60_000 };

/**
 * Runs `task` until it succeeds. Waits between attempts with exponential backoff and full jitter, so that clients that
 * lost the same server do not return at the same moment.
 *
 * @throws the error of the first attempt that must not be repeated, or the reason of the signal
 */
export async function retry<T>(task: () => Promise<T>, context: RetryContext, options: RetryOptions = {}): Promise<T> {
  const { backoff = BACKOFF, signal, shouldRetry = isRetryable } = options;
  let { lastError } = options;
  for (let failures = lastError === undefined ? 0 : 1; ; failures += 1) {
    if (failures > 0) await wait(retryDelayMs(lastError, failures - 1, context.random, backoff), context.clock, signal);
    signal?.throwIfAborted();
    try {
      return await task();
    } catch (error) {
      if (!shouldRetry(error)) throw error;
      lastError = error;
    }
  }
}

/** Returns true for an error with `retryable: true`, such as a `CommError` about the moment and not about the request. */
export function isRetryable(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'retryable' in error && error.retryable === true;
}

/**
 * Returns the wait before the next attempt in milliseconds: the jittered backoff, added to the time that the server asked
 * for (`retryAfterMs` of the error). Added, because clients that were told the same time must not return together.
 *
 * @param failures - failed attempts before this one
 */
export function retryDelayMs(error: unknown, failures: number, random: RandomSource, options: BackoffOptions): number {
  const asked =
    typeof error === 'object' && error !== null && 'retryAfterMs' in error && typeof error.retryAfterMs === 'number'
      ? error.retryAfterMs
      : 0;
  return asked + backoffMs(failures, random.number(), options);
}

function wait(ms: number, clock: Clock, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) return reject(signal.reason as Error);
    const onAbort = (): void => {
      cancel();
      reject(signal?.reason as Error);
    };
    const cancel = clock.after(ms, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
