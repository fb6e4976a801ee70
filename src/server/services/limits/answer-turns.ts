/**
 * Starts at most one request with a large answer in each turn of the event loop, so that requests that arrive together
 * don't hold up those after them, and unread answers are noticed between two of them. A request that finds
 * no other one starts in the turn after the one in which it arrived, because reading a large one takes as long as answering
 * it. Users take turns, so that no user waits for all requests of another one.
 */
export class AnswerTurns {
  /** Requests that wait for their turn, by user; the user whose turn is next first. */
  readonly #waiting = new Map<string, (() => void)[]>();
  #isRunning = false;

  /** Resolves in the turn in which the user's next request may start. */
  next(userId: string): Promise<void> {
    if (!this.#isRunning) {
      this.#isRunning = true;
      // The first runs in this turn if it is scheduled by what has arrived.
      setImmediate(() => setImmediate(() => this.#advance()));
    }
    const waiting = this.#waiting.get(userId);
    return new Promise((resolve) => {
      if (waiting === undefined) this.#waiting.set(userId, [resolve]);
      else waiting.push(resolve);
    });
  }

  /** Number of requests that wait for their turn. */
  get waiting(): number {
    let count = 0;
    for (const requests of this.#waiting.values()) count += requests.length;
    return count;
  }

  #advance(): void {
    const start = this.#take();
    this.#isRunning = start !== undefined;
    if (start === undefined) return;
    start();
    setImmediate(() => this.#advance());
  }

  /** Takes the first request of the user whose turn it is, and moves the user to the end. */
  #take(): (() => void) | undefined {
    for (const [userId, waiting] of this.#waiting) {
      const start = waiting.shift();
      this.#waiting.delete(userId);
      if (waiting.length > 0) this.#waiting.set(userId, waiting);
      return start;
    }
    return undefined;
  }
}
