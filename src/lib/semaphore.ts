import { abortable } from './abort.ts';

/** Runs at most a number of tasks at the same time. Further tasks start in the order of their calls. */
export class Semaphore {
  #free: number;
  /** Tasks that wait for a place, in order. */
  readonly #waiting = new Set<() => void>();

  constructor(size: number) {
    this.#free = size;
  }

  /**
   * Runs a task once fewer tasks than allowed run.
   *
   * @param signal - ends the wait; a task that runs is not affected
   * @returns the result of the task
   * @throws the reason of the signal if it aborts before the task has begun
   */
  async run<T>(task: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    if (this.#free > 0) this.#free -= 1;
    else await this.#turn(signal);
    try {
      return await task();
    } finally {
      this.#release();
    }
  }

  /** Resolves when a task that has ended hands its place over, so that none that is called meanwhile takes it. */
  async #turn(signal: AbortSignal | undefined): Promise<void> {
    let proceed = (): void => undefined;
    const turn = new Promise<void>((resolve) => (proceed = resolve));
    this.#waiting.add(proceed);
    try {
      await abortable(turn, signal);
      signal?.throwIfAborted();
    } catch (error) {
      // The place may have been handed over at the same time.
      if (!this.#waiting.delete(proceed)) this.#release();
      throw error;
    }
  }

  #release(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#free += 1;
      return;
    }
    this.#waiting.delete(next);
    next();
  }
}
