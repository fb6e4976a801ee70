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
