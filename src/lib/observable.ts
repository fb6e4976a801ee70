/**
 * A state that can be observed, in the shape of React's `useSyncExternalStore`. Snapshots are frozen; unchanged parts are the
 * same objects as before. The methods do not use `this`, so they can be passed as functions.
 */
export interface Observable<T> {
  /** Returns the current state. */
  readonly getSnapshot: () => T;
  /** Returns the initial state, for server rendering. */
  readonly getServerSnapshot: () => T;
  /** Calls `listener` after each change. Returns a function that ends it. */
  readonly subscribe: (listener: () => void) => () => void;
}

/** An observable with a setter. Listeners run after the change; an error of one does not stop the others. */
export class ObservableValue<T> implements Observable<T> {
  readonly #initial: T;
  readonly #listeners = new Set<() => void>();
  readonly #onThrow: (error: unknown) => void;
  #value: T;

  constructor(initial: T, onThrow: (error: unknown) => void) {
    this.#initial = initial;
    this.#value = initial;
    this.#onThrow = onThrow;
  }

  readonly getSnapshot = (): T => this.#value;

  readonly getServerSnapshot = (): T => this.#initial;

  readonly subscribe = (listener: () => void): (() => void) => {
    // A function per subscription, so that the same listener can subscribe twice.
    const entry = (): void => listener();
    this.#listeners.add(entry);
    return () => void this.#listeners.delete(entry);
  };

  /** True while it has a listener. */
  get watched(): boolean {
    return this.#listeners.size > 0;
  }

  set(value: T): void {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    // A copy: a listener that subscribes again while it runs would be called endlessly.
    for (const listener of Array.from(this.#listeners)) {
      if (!this.#listeners.has(listener)) continue;
      try {
        listener();
      } catch (error) {
        this.#onThrow(error);
      }
    }
  }
}
