import type { CommError } from '../../protocol/errors.ts';

/** Server errors after which an item fails for good. Only those count between which the server stored something else. */
const MAX_INTERNAL = 8;
/** Timeouts after which an item fails for good: a base server does not respond to a request that it rejects. */
const MAX_UNANSWERED = 3;

interface Failures {
  readonly count: number;
  /** The number of stored items when the last failure was counted. */
  readonly storedAt: number | undefined;
}

/** Counts failures of items that may be about the item or about the state of the server. */
export class FailureCounter {
  readonly #failures = new Map<string, Failures>();
  #stored = 0;

  /** Records that the server has stored an item, so that it is not out of order as a whole. */
  stored(): void {
    this.#stored += 1;
  }

  /**
   * Counts a failure. Returns true if the item should not be sent again. While the server stores nothing at all, the
   * failure is not caused by the item: a server error counts only if another item was stored since the last one. A failed
   * upload has been repeated already.
   *
   * @param acknowledges - whether the server responds to requests that it rejects
   */
  isPermanent(clientId: string, { code }: CommError, acknowledges: boolean): boolean {
    if (code === 'UPLOAD_FAILED') return true;
    const isUnanswered = code === 'TIMEOUT' && !acknowledges;
    if (code !== 'INTERNAL' && !isUnanswered) return false;
    const { count, storedAt } = this.#failures.get(clientId) ?? { count: 0, storedAt: undefined };
    const next = isUnanswered || storedAt !== this.#stored ? count + 1 : count;
    this.#failures.set(clientId, { count: next, storedAt: isUnanswered ? storedAt : this.#stored });
    return next >= (isUnanswered ? MAX_UNANSWERED : MAX_INTERNAL);
  }

  forget(clientId: string): void {
    this.#failures.delete(clientId);
  }
}
