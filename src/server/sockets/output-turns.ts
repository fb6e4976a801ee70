/** Packets that are sent in one turn of the event loop. Most are copies of one push, each of which takes 5 to 10 µs. */
export const PACKETS_PER_TURN = 1_024;
/** What storing a row takes, in packets. */
const PACKETS_PER_ROW = 16;

/**
 * Bounds what follows a commit in one turn of the event loop, over all connections: a group has a thousand members. What
 * exceeds the bound waits for the next turn.
 */
export class OutputTurns {
  #left = PACKETS_PER_TURN;
  #isScheduled = false;

  /** Counts packets that are sent in this turn. */
  sent(packets = 1): void {
    this.#left -= packets;
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#left = PACKETS_PER_TURN;
      this.#isScheduled = false;
    });
  }

  /** Counts rows that were stored in this turn. */
  stored(rows: number): void {
    this.sent(rows * PACKETS_PER_ROW);
  }

  /** Returns a promise for the next turn if this one has no room left. */
  pause(): Promise<void> | undefined {
    if (this.#left > 0) return undefined;
    return new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
}
