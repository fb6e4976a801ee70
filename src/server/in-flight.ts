/** What is being worked on, so that an end can wait for it. */
export class InFlight {
  readonly #tasks = new Set<Promise<unknown>>();

  add(task: Promise<unknown>): void {
    this.#tasks.add(task);
    const forget = (): void => void this.#tasks.delete(task);
    task.then(forget, forget);
  }

  /** Resolves once nothing is under way, also nothing that was added while waiting. */
  async idle(): Promise<void> {
    while (this.#tasks.size > 0) await Promise.allSettled(this.#tasks);
  }
}
