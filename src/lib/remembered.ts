/** The last so many texts that were seen. */
export class Remembered {
  readonly #limit: number;
  readonly #held = new Set<string>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  has(text: string): boolean {
    return this.#held.has(text);
  }

  /** @returns whether it is new */
  add(text: string): boolean {
    if (this.#held.has(text)) return false;
    this.#held.add(text);
    const [oldest] = this.#held;
    if (this.#held.size > this.#limit && oldest !== undefined) this.#held.delete(oldest);
    return true;
  }

  clear(): void {
    this.#held.clear();
  }
}
