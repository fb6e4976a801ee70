/** Pushes in the order in which they came, although some of them take time. One that needs none passes at once. */
export class PushQueue {
  readonly #report: (error: unknown) => void;
  #tail: Promise<void> | undefined;
  /** Moves when what waits is of nobody's interest any more. */
  #epoch = 0;

  constructor(report: (error: unknown) => void) {
    this.#report = report;
  }

  /** @param prepare - what has to be done before; absent: nothing */
  run(prepare: (() => Promise<unknown>) | undefined, deliver: (prepared: unknown) => void): void {
    const before = this.#tail;
    if (before === undefined && prepare === undefined) return deliver(undefined);
    const epoch = this.#epoch;
    const task = async (): Promise<void> => {
      await before;
      if (epoch !== this.#epoch) return;
      const prepared = await prepare?.();
      if (epoch === this.#epoch) deliver(prepared);
    };
    const tail = task()
      .catch(this.#report)
      .finally(() => {
        if (this.#tail === tail) this.#tail = undefined;
      });
    this.#tail = tail;
  }

  /** Resolves when all that is there now has passed. */
  async drained(): Promise<void> {
    await this.#tail;
  }

  clear(): void {
    this.#epoch += 1;
    this.#tail = undefined;
  }
}
