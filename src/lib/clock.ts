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

/** Past this a timer fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  after(delayMs, task, idle) {
    const timer: ReturnType<typeof setTimeout> & { unref?: () => unknown } = setTimeout(
      task,
      Math.min(delayMs, MAX_TIMER_MS),
    );
    // Browsers give a number.
    if (idle === true) timer.unref?.();
    return () => clearTimeout(timer);
  },
};
