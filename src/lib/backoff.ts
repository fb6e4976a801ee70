export interface BackoffOptions {
  baseMs: number;
  maxMs: number;
}

/**
 * "Full jitter" backoff: a random wait between 0 and the doubling ceiling, so that clients that lost the same server
 * don't come back in step (AWS Architecture Blog, "Exponential Backoff And Jitter").
 *
 * @param attempt - 0 for the first retry
 * @param random - between 0 (inclusive) and 1 (exclusive)
 * @returns milliseconds, at least 1
 */
export function backoffMs(attempt: number, random: number, { baseMs, maxMs }: BackoffOptions): number {
  const ceiling = Math.min(maxMs, baseMs * 2 ** Math.min(attempt, 30));
  return Math.max(1, Math.round(random * ceiling));
}
