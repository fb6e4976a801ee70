import { ObservableValue, type Observable } from '../lib/observable.ts';
import { isSameSnapshot } from '../lib/same-snapshot.ts';

/**
 * Creates an observable that opens something for its first subscriber and closes it when the last one has left. It closes
 * in a microtask, so that a component that is unmounted and mounted again in one step, as by React's StrictMode, keeps what
 * is open.
 *
 * @param initial - the value while nothing is open, and on a server
 * @param open - begins to call `set` with the values; returns a function that closes
 */
export function openOnUse<T>(initial: T, open: (set: (value: T) => void) => () => void): Observable<T> {
  const value = new ObservableValue(initial, rethrow);
  let subscribers = 0;
  let close: (() => void) | undefined;

  const closeIfUnused = (): void => {
    if (subscribers > 0) return;
    close?.();
    close = undefined;
    value.set(initial);
  };
  return {
    getSnapshot: value.getSnapshot,
    getServerSnapshot: value.getServerSnapshot,
    subscribe(listener) {
      close ??= open((next) => value.set(next));
      const stop = value.subscribe(listener);
      let isSubscribed = true;
      subscribers += 1;
      return () => {
        stop();
        if (isSubscribed) subscribers -= 1;
        isSubscribed = false;
        queueMicrotask(closeIfUnused);
      };
    },
  };
}

/** Creates an observable of a value that is computed from another one. It is computed once per value. */
export function derive<T, S>(source: Observable<T>, compute: (value: T) => S): Observable<S> {
  const selection = createSelection(compute);
  const server = createSelection(compute);
  return {
    getSnapshot: () => selection(source.getSnapshot()),
    getServerSnapshot: () => server(source.getServerSnapshot()),
    subscribe: source.subscribe,
  };
}

/** Selects a part of a value. */
export type Selector<T, S> = (value: T) => S;

/**
 * Returns a function that selects a part of a value. It returns the same object as before if the part has not changed,
 * even if the selector builds a new object or list of the same parts.
 *
 * @param selector - `undefined`: the whole value, and `S` is `T`
 * @param previous - returns what was selected before by another selector
 */
export function createSelection<T, S>(
  selector: Selector<T, S> | undefined,
  previous?: () => S | undefined,
): Selector<T, S> {
  // The type `S` of a caller without a selector is its default, `T`, which the compiler can't derive here.
  if (selector === undefined) return (value) => value as T & S;
  let last: { readonly value: T; readonly selected: S } | undefined;
  return (value) => {
    if (last !== undefined && Object.is(last.value, value)) return last.selected;
    const selected = selector(value);
    const held = last === undefined ? previous?.() : last.selected;
    last = { value, selected: held !== undefined && isSame(held, selected) ? held : selected };
    return last.selected;
  };
}

/** Returns whether two values are equal, or plain objects or lists with equal parts. Lists in an object are compared by item. */
function isSame(a: unknown, b: unknown): boolean {
  if (!isPlain(a) || !isPlain(b)) return Object.is(a, b);
  // In a field, because `isSameSnapshot` takes an absent item of a list for `undefined`.
  return Array.isArray(a) || Array.isArray(b) ? isSameSnapshot({ part: a }, { part: b }) : isSameSnapshot(a, b);
}

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === Array.prototype || prototype === null;
}

/** Errors of listeners appear as uncaught, and stop no other listener. */
function rethrow(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
