/** Counts values by size, as a histogram of Prometheus. */
export class Histogram {
  /** Upper bounds of the buckets, ascending. A value that equals a bound belongs to its bucket. */
  readonly bounds: readonly number[];
  /** Number of values in each bucket, without those of smaller buckets. The last one has no bound. */
  readonly #counts: number[];
  #sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.#counts = Array.from({ length: bounds.length + 1 }, () => 0);
  }

  observe(value: number): void {
    const found = this.bounds.findIndex((bound) => value <= bound);
    const at = found === -1 ? this.bounds.length : found;
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
    this.#sum += value;
  }

  /** Number of values up to each bound. The last one is the number of all values. */
  get cumulative(): readonly number[] {
    let count = 0;
    return this.#counts.map((each) => (count += each));
  }

  get sum(): number {
    return this.#sum;
  }
}
