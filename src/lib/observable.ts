/**
 * State that can be watched; the shape `useSyncExternalStore` wants. Snapshots are frozen, and the same object as
 * before where nothing changed. All three can be handed over loose, as in `useSyncExternalStore(o.subscribe, …)`.
 */
export interface Observable<T> {
  /** The state as it is now. */
  readonly getSnapshot: () => T;
  /** What a server renders: the state before anything was loaded. */
  readonly getServerSnapshot: () => T;
  /** Calls `listener` after each change; returns how to stop. */
  readonly subscribe: (listener: () => void) => () => void;
}

/** An observable that its owner sets. Listeners run after the state moved; one that throws stops no other. */
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
    // Its own function per subscription: the same listener twice is two subscriptions.
    const entry = (): void => listener();
    this.#listeners.add(entry);
    return () => void this.#listeners.delete(entry);
  };

  get watched(): boolean {
    return this.#listeners.size > 0;
  }

  set(value: T): void {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    // Of those that listened when it moved: one that subscribes anew while it is told would be told without end.
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
