/** Runs checks in order. The last line is a summary, and the exit code is 0 if all passed. */
export class Report {
  #passed = 0;
  #failed = 0;

  /** Runs one check. */
  async check(title: string, run: () => Promise<void>): Promise<void> {
    const started = performance.now();
    const seconds = (): string => ((performance.now() - started) / 1_000).toFixed(1);
    try {
      await run();
      this.#passed += 1;
      console.log(`✓ ${title} (${seconds()} s)`);
    } catch (error) {
      this.#failed += 1;
      console.log(`✗ ${title} (${seconds()} s)`);
      console.log(error instanceof Error ? error.stack : error);
    }
  }

  /** Reports a missing prerequisite as a failure. */
  missing(what: string): void {
    this.#failed += 1;
    console.log(`✗ ${what}`);
  }

  /** Prints the summary and sets the exit code. */
  end(): void {
    console.log(`${this.#passed} passed, ${this.#failed} failed`);
    process.exitCode = this.#failed === 0 && this.#passed > 0 ? 0 : 1;
  }
}

/** @throws Error with `message` if `condition` is false */
export function expect(condition: boolean, message: string): void {
  if (!condition) throw new Error(message);
}
