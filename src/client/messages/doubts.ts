import type { CommError } from '../../protocol/errors.ts';

/** A server error that repeats this often, while others are stored, is about the message and not about the moment. */
const MAX_INTERNAL = 8;
/** A base server shows a refusal by nothing at all. */
const MAX_UNANSWERED = 3;

interface Doubt {
  readonly count: number;
  /** How much was stored when it was last counted. */
  readonly at: number | undefined;
}

/** How often each item was answered with what may be about the message or about the moment. */
export class Doubts {
  readonly #doubts = new Map<string, Doubt>();
  #stored = 0;

  /** The server has stored something: it isn't ill, or no longer. */
  stored(): void {
    this.#stored += 1;
  }

  /**
   * A server that stores nothing at all is ill, and no message is to blame for that: a server error counts only when
   * something else was stored since the one before.
   *
   * @param answers - whether the server says so when it refuses something
   */
  isHopeless(clientId: string, { code }: CommError, answers: boolean): boolean {
    const isUnanswered = code === 'TIMEOUT' && !answers;
    if (code !== 'INTERNAL' && !isUnanswered) return false;
    const { count, at } = this.#doubts.get(clientId) ?? { count: 0, at: undefined };
    const next = isUnanswered || at !== this.#stored ? count + 1 : count;
    this.#doubts.set(clientId, { count: next, at: isUnanswered ? at : this.#stored });
    return next >= (isUnanswered ? MAX_UNANSWERED : MAX_INTERNAL);
  }

  forget(clientId: string): void {
    this.#doubts.delete(clientId);
  }
}
