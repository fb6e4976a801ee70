import type { CommError } from '../../protocol/errors.ts';

/** A server error that repeats this often is about the message, not about the moment. */
const MAX_INTERNAL = 8;
/** A base server shows a refusal by nothing at all. */
const MAX_UNANSWERED = 3;

/** How often each item was answered with what may be about the message or about the moment. */
export class Doubts {
  readonly #counts = new Map<string, number>();

  /** @param answers - whether the server says so when it refuses something */
  isHopeless(clientId: string, { code }: CommError, answers: boolean): boolean {
    const isUnanswered = code === 'TIMEOUT' && !answers;
    if (code !== 'INTERNAL' && !isUnanswered) return false;
    const count = (this.#counts.get(clientId) ?? 0) + 1;
    this.#counts.set(clientId, count);
    return count >= (isUnanswered ? MAX_UNANSWERED : MAX_INTERNAL);
  }

  forget(clientId: string): void {
    this.#counts.delete(clientId);
  }
}
