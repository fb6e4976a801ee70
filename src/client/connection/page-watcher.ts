import type { Clock } from '../../lib/clock.ts';
import type { PageTargets } from './page-events.ts';

type PageEventsModule = Pick<typeof import('./page-events.ts'), 'watchPage'>;

/** Watches for wake-ups and idleness between `start()` and `stop()`. The code that watches loads with the first start. */
export class PageWatcher {
  readonly #context: { readonly clock: Clock; readonly report: (error: unknown) => void };
  readonly #targets: PageTargets;
  readonly #idleAfterMs: number | false;
  readonly #load: () => Promise<PageEventsModule>;
  #watching: AbortController | undefined;

  /** @param idleAfterMs - time without input after which the user counts as idle; `false`: never */
  constructor(
    context: { readonly clock: Clock; readonly report: (error: unknown) => void },
    targets: PageTargets,
    idleAfterMs: number | false,
    load: () => Promise<PageEventsModule>,
  ) {
    this.#context = context;
    this.#targets = targets;
    this.#idleAfterMs = idleAfterMs;
    this.#load = load;
  }

  /** Idempotent. */
  start(): void {
    if (this.#watching !== undefined) return;
    const { signal } = (this.#watching = new AbortController());
    const { clock, report } = this.#context;
    this.#load()
      .then(({ watchPage }) => watchPage(clock, this.#targets, this.#idleAfterMs, signal))
      .catch(report);
  }

  /** Idempotent. */
  stop(): void {
    this.#watching?.abort();
    this.#watching = undefined;
  }
}
