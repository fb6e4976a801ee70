/** Tracks running requests, so that a shutdown can wait for them. */
export class InFlight {
  readonly #tasks = new Set<Promise<unknown>>();

  /** Tracks a task until it settles. */
  add(task: Promise<unknown>): void {
    this.#tasks.add(task);
    const forget = (): void => void this.#tasks.delete(task);
    task.then(forget, forget);
  }

  /** Resolves when no task is running, including tasks added while waiting. */
  async idle(): Promise<void> {
    while (this.#tasks.size > 0) await Promise.allSettled(this.#tasks);
  }
}
