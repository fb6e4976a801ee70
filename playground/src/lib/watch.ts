export type Subscribe = (listener: () => void) => () => void;

/**
 * Calls `render` once now, and once after any number of changes in one turn, until `signal` aborts. Not by animation
 * frames: those stand still in a hidden tab, whose title still has to count.
 */
export function watch(sources: readonly Subscribe[], render: () => void, signal: AbortSignal): () => void {
  let isDue = false;
  const later = (): void => {
    if (isDue) return;
    isDue = true;
    queueMicrotask(() => {
      isDue = false;
      if (!signal.aborted) render();
    });
  };
  for (const subscribe of sources) {
    const stop = subscribe(later);
    signal.addEventListener('abort', stop, { once: true });
  }
  render();
  return later;
}

/** A value that can be watched. */
export class Cell<T> {
  readonly #listeners = new Set<() => void>();
  #value: T;

  constructor(value: T) {
    this.#value = value;
  }

  get value(): T {
    return this.#value;
  }

  set(value: T): void {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    for (const listener of Array.from(this.#listeners)) listener();
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    const entry = (): void => listener();
    this.#listeners.add(entry);
    return () => void this.#listeners.delete(entry);
  };
}

/** Ends with `parent`, or by itself. */
export function childAbort(parent: AbortSignal): AbortController {
  const controller = new AbortController();
  parent.addEventListener('abort', () => controller.abort(), { once: true, signal: controller.signal });
  return controller;
}
