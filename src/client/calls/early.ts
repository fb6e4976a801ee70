import type { Clock } from '../../lib/clock.ts';

/** Signals that came before what they are for, in order: so many of them, for so long. */
export class Early<T> {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #max: number;
  readonly #forMs: number;
  #kept: { readonly at: number; readonly item: T }[] = [];

  constructor(clock: Pick<Clock, 'now'>, max = 256, forMs = 60_000) {
    this.#clock = clock;
    this.#max = max;
    this.#forMs = forMs;
  }

  /** One that is over the limit is dropped: the first ones are those that connect. */
  keep(item: T): void {
    this.#age();
    if (this.#kept.length < this.#max) this.#kept.push({ at: this.#clock.now(), item });
  }

  /** Takes out those that fit, in the order they came. */
  take(fits: (item: T) => boolean = () => true): T[] {
    this.#age();
    const taken = this.#kept.filter(({ item }) => fits(item));
    this.#kept = this.#kept.filter(({ item }) => !fits(item));
    return taken.map(({ item }) => item);
  }

  #age(): void {
    const oldest = this.#clock.now() - this.#forMs;
    this.#kept = this.#kept.filter(({ at }) => at >= oldest);
  }
}
