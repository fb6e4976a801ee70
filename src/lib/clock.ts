/** Time as a dependency, so that tests never sleep. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /**
   * Runs `task` once after `delayMs`; the returned function cancels it.
   *
   * @param idle - true: in Node nothing stays alive for it
   */
  after(delayMs: number, task: () => void, idle?: boolean): () => void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  after(delayMs, task, idle) {
    const timer: ReturnType<typeof setTimeout> & { unref?: () => unknown } = setTimeout(task, delayMs);
    // Browsers give a number.
    if (idle === true) timer.unref?.();
    return () => clearTimeout(timer);
  },
};
