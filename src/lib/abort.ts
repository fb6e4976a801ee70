/** The last argument of every asynchronous method of the client. */
export interface AbortOptions {
  /** Aborting rejects with the reason of the signal. A request that was sent already may still take effect. */
  signal?: AbortSignal | undefined;
}

/** Returns a promise that settles as `promise` does, or rejects with the reason of the signal once it aborts. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  if (signal.aborted) {
    promise.catch(() => undefined);
    return Promise.reject(signal.reason as Error);
  }
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
