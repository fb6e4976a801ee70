import { abortable } from '../../lib/abort.ts';

/** Runs a number of tasks at the same time. Those that wait can be aborted. */
export class Turns {
  readonly #size: number;
  /** Continue when a running task has ended. */
  readonly #waiting: (() => void)[] = [];
  #active = 0;

  constructor(size: number) {
    this.#size = size;
  }

  /** Runs a task when there is room. @throws the reason of the signal if it aborts before the task has begun */
  async run<T>(signal: AbortSignal, task: () => Promise<T>): Promise<T> {
    while (this.#active >= this.#size) {
      await abortable(new Promise<void>((resolve) => this.#waiting.push(resolve)), signal);
    }
    signal.throwIfAborted();
    this.#active += 1;
    try {
      return await task();
    } finally {
      this.#active -= 1;
      for (const look of this.#waiting.splice(0)) look();
    }
  }
}
