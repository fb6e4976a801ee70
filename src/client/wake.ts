import type { Clock } from '../lib/clock.ts';

/** The parts of a browser's `window` and `document` that tell when a page may have slept or lost its network. */
export interface WakeSource {
  addEventListener(type: string, listener: () => void): void;
  removeEventListener(type: string, listener: () => void): void;
}

type Doc = WakeSource & { readonly visibilityState: string };

/** Calls `wake` when the network is back, the tab is looked at again, or the page comes out of the cache or is unfrozen. */
export function watchWake(page: WakeSource | undefined, document: Doc | undefined, wake: () => void): () => void {
  const onVisible = (): void => {
    if (document?.visibilityState === 'visible') wake();
  };
  page?.addEventListener('online', wake);
  page?.addEventListener('pageshow', wake);
  document?.addEventListener('visibilitychange', onVisible);
  // Page Lifecycle: a page may be frozen while it is in sight, and thawed while it is not.
  document?.addEventListener('resume', wake);
  return () => {
    page?.removeEventListener('online', wake);
    page?.removeEventListener('pageshow', wake);
    document?.removeEventListener('visibilitychange', onVisible);
    document?.removeEventListener('resume', wake);
  };
}

const LOOK_EVERY_MS = 5_000;
const LATE_MS = 5_000;
/** Browsers let the timers of a page that nobody sees run once a minute. */
const LATE_UNSEEN_MS = 65_000;

/** Calls `wake` when a look at the clock comes far too late: the machine has slept, and told nobody. */
export function watchSleep(clock: Clock, isSeen: () => boolean, wake: () => void): () => void {
  let due = clock.now() + LOOK_EVERY_MS;
  let cancel = clock.after(LOOK_EVERY_MS, look, true);
  function look(): void {
    const now = clock.now();
    const lateMs = now - due;
    due = now + LOOK_EVERY_MS;
    cancel = clock.after(LOOK_EVERY_MS, look, true);
    if (lateMs > (isSeen() ? LATE_MS : LATE_UNSEEN_MS)) wake();
  }
  return () => cancel();
}
