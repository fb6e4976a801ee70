/** The parts of a browser's `window` and `document` that tell when a page may have slept or lost its network. */
export interface WakeSource {
  addEventListener(type: string, listener: () => void): void;
  removeEventListener(type: string, listener: () => void): void;
}

/** Calls `wake` when the network is back, the tab is looked at again, or the page comes out of the cache. */
export function watchWake(
  page: WakeSource | undefined,
  document: (WakeSource & { readonly visibilityState: string }) | undefined,
  wake: () => void,
): () => void {
  const onVisible = (): void => {
    if (document?.visibilityState === 'visible') wake();
  };
  page?.addEventListener('online', wake);
  page?.addEventListener('pageshow', wake);
  document?.addEventListener('visibilitychange', onVisible);
  return () => {
    page?.removeEventListener('online', wake);
    page?.removeEventListener('pageshow', wake);
    document?.removeEventListener('visibilitychange', onVisible);
  };
}
