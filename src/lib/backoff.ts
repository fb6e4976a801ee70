/** The range of the waits. */
export interface BackoffOptions {
  /** Ceiling of the first wait; doubles with each attempt. */
  readonly baseMs: number;
  /** Ceiling of all waits. */
  readonly maxMs: number;
}

/**
 * Returns the wait before a retry: exponential backoff with full jitter, a random time between 0 and a ceiling that
 * doubles with each attempt, so that clients that lost the same server do not return at the same moment (AWS Architecture
 * Blog, "Exponential Backoff And Jitter").
 *
 * @param attempt - 0 for the first retry
 * @param random - between 0 (inclusive) and 1 (exclusive)
 * @returns milliseconds, at least 1
 */
export function backoffMs(attempt: number, random: number, { baseMs, maxMs }: BackoffOptions): number {
  const ceiling = Math.min(maxMs, baseMs * 2 ** Math.min(attempt, 30));
  return Math.max(1, Math.round(random * ceiling));
}
