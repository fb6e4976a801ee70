/** Runs checks one after another; the last line is their sum, and the exit code says whether all passed. */
export class Report {
  #passed = 0;
  #failed = 0;

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

  /** What this machine lacks is said, and is no success. */
  missing(what: string): void {
    this.#failed += 1;
    console.log(`✗ ${what}`);
  }

  end(): void {
    console.log(`${this.#passed} passed, ${this.#failed} failed`);
    process.exitCode = this.#failed === 0 && this.#passed > 0 ? 0 : 1;
  }
}

/** @throws Error when it isn't so */
export function expect(condition: boolean, message: string): void {
  if (!condition) throw new Error(message);
}
