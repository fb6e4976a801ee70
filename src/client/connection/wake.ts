import type { Clock } from '../../lib/clock.ts';

/** The used parts of a browser's `window` and `document`. */
export interface WakeSource {
  addEventListener(type: string, listener: () => void): void;
  removeEventListener(type: string, listener: () => void): void;
}

type Doc = WakeSource & { readonly visibilityState: string };

/**
 * Calls `wake` when the network is back, the tab becomes visible, or the page leaves the back/forward cache or is unfrozen.
 *
 * @returns a function that stops it
 */
export function watchWake(page: WakeSource | undefined, document: Doc | undefined, wake: () => void): () => void {
  const onVisible = (): void => {
    if (document?.visibilityState === 'visible') wake();
  };
  page?.addEventListener('online', wake);
  page?.addEventListener('pageshow', wake);
  document?.addEventListener('visibilitychange', onVisible);
  // Page Lifecycle: a page can be frozen while visible and resumed while hidden.
  document?.addEventListener('resume', wake);
  return () => {
    page?.removeEventListener('online', wake);
    page?.removeEventListener('pageshow', wake);
    document?.removeEventListener('visibilitychange', onVisible);
    document?.removeEventListener('resume', wake);
  };
}

const CHECK_INTERVAL_MS = 5_000;
const LATE_MS = 5_000;
/** Browsers throttle timers of hidden pages to one per minute. */
const LATE_HIDDEN_MS = 65_000;

/**
 * Calls `wake` when a regular timer fires far too late: the machine has slept.
 *
 * @returns a function that stops it
 */
export function watchSleep(clock: Clock, isVisible: () => boolean, wake: () => void): () => void {
  let due = clock.now() + CHECK_INTERVAL_MS;
  let cancel = clock.after(CHECK_INTERVAL_MS, check, true);
  function check(): void {
    const now = clock.now();
    const lateMs = now - due;
    due = now + CHECK_INTERVAL_MS;
    cancel = clock.after(CHECK_INTERVAL_MS, check, true);
    if (lateMs > (isVisible() ? LATE_MS : LATE_HIDDEN_MS)) wake();
  }
  return () => cancel();
}
