export type Subscribe = (listener: () => void) => () => void;

/**
 * Calls `render` immediately and then once per microtask checkpoint with changes, until `signal` aborts. Animation frames
 * aren't used because they pause in hidden tabs, where the title must still show the unread count.
 *
 * @returns a function that schedules `render`
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

/** A value with change listeners. */
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

/** Returns a controller that also aborts when `parent` aborts. */
export function childAbort(parent: AbortSignal): AbortController {
  const controller = new AbortController();
  parent.addEventListener('abort', () => controller.abort(), { once: true, signal: controller.signal });
  return controller;
}
