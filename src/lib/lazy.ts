/** Something that is loaded when it is first asked for. A load that failed is tried again by whoever asks next. */
export interface Lazy<T> {
  (): Promise<T>;
  /** What is loaded, without loading it. */
  readonly current: T | undefined;
}

export function lazy<T>(load: () => Promise<T>): Lazy<T> {
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
  return Object.defineProperty(get, 'current', { get: () => current }) as Lazy<T>;
}

/**
 * Stands in for something whose methods are all asynchronous: what it is gets loaded when the first of them is called.
 *
 * @param ready - its `ready`, where that is known without it
 */
export function lazily<T extends { readonly ready: Promise<void> }>(
  load: () => Promise<T>,
  ready: () => Promise<void> = async () => (await load()).ready,
): T {
  return new Proxy({} as T, {
    get(_target, name) {
      // Whoever awaits it, or looks at it in a console, asks for more than its methods.
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
