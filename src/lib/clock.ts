/** Time as a dependency, so that tests never sleep. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /**
   * Runs `task` once after `delayMs`.
   *
   * @param idle - true: the timer does not keep a Node process running
   * @returns a function that cancels it
   */
  after(delayMs: number, task: () => void, idle?: boolean): () => void;
}

/** Browsers and Node fire timers with a longer delay at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** The clock of the platform. */
export const systemClock: Clock = {
  now: () => Date.now(),
  after(delayMs, task, idle) {
    const timer: ReturnType<typeof setTimeout> & { unref?: () => unknown } = setTimeout(
      task,
      Math.min(delayMs, MAX_TIMER_MS),
    );
    // In browsers a timer is a number.
    if (idle === true) timer.unref?.();
    return () => clearTimeout(timer);
  },
};
