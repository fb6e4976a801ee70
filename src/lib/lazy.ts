/** A value that loads with its first use. A failed load is tried again by the next use. */
export interface Lazy<T> {
  (): Promise<T>;
  /** The value if it has loaded; does not load it. */
  readonly current: T | undefined;
}

/** A lazy value whose loader is connected later, for parts that need each other. */
export interface LazyPart<T> extends Lazy<T> {
  /** Sets the loader. Call it once, before the first use. */
  connect(load: () => Promise<T>): void;
}

/** Creates a lazy value. */
export function lazy<T>(load: () => Promise<T>): Lazy<T> {
  const part = lazyPart<T>();
  part.connect(load);
  return part;
}

/** Creates a lazy value without a loader. */
export function lazyPart<T>(): LazyPart<T> {
  let load: () => Promise<T> = () => Promise.reject(new TypeError('Not connected'));
  let current: T | undefined;
  let loading: Promise<T> | undefined;
  const get = (): Promise<T> => {
    loading ??= load().then(
      (value) => (current = value),
      (error: unknown) => {
        loading = undefined;
        throw error;
      },
    );
    return loading;
  };
  const connect = (loader: () => Promise<T>): void => {
    load = loader;
  };
  return Object.defineProperty(Object.assign(get, { connect }), 'current', { get: () => current }) as LazyPart<T>;
}

/**
 * Creates a stand-in for an object whose methods are all asynchronous. The object loads with the first call.
 *
 * @param ready - its promise `ready`, if that is known without loading the object
 */
export function lazily<T extends { readonly ready: Promise<void> }>(
  load: () => Promise<T>,
  ready: () => Promise<void> = async () => (await load()).ready,
): T {
  return new Proxy({} as T, {
    get(_target, name) {
      // `await` reads `then`, and consoles read symbols: neither must load the object.
      if (typeof name !== 'string' || name === 'then') return undefined;
      if (name !== 'ready') {
        return async (...args: unknown[]) => {
          const loaded = await load();
          return (Reflect.get(loaded, name) as (...args: unknown[]) => unknown).apply(loaded, args);
        };
      }
      const promise = ready();
      promise.catch(() => undefined);
      return promise;
    },
  });
}

/** Creates an object with some asynchronous methods of one that loads with the first call. */
export function lazyMethods<T, K extends keyof T>(load: () => Promise<T>, names: readonly K[]): Pick<T, K> {
  const method =
    (name: K) =>
    async (...args: unknown[]): Promise<unknown> => {
      const loaded = await load();
      return (loaded[name] as (...given: unknown[]) => unknown).apply(loaded, args);
    };
  return Object.fromEntries(names.map((name) => [name, method(name)])) as Pick<T, K>;
}
