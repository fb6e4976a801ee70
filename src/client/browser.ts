import type { ResolvedOptions } from './options.ts';
import { watchIdle } from './presence/idle.ts';
import { watchSleep, watchWake } from './wake.ts';

/** Watches for wake-ups and idleness until it is aborted; outside of a browser there is only the clock to watch. */
export function watchBrowser(
  { clock, idleAfterMs }: ResolvedOptions,
  tell: { wake: () => void; idle: (isIdle: boolean) => void },
  signal: AbortSignal,
): void {
  if (signal.aborted) return;
  const page = typeof window === 'undefined' ? undefined : window;
  const doc = typeof document === 'undefined' ? undefined : document;
  const isSeen = (): boolean => doc?.visibilityState !== 'hidden';
  const stops = [watchWake(page, doc, tell.wake), watchSleep(clock, isSeen, tell.wake)];
  if (doc !== undefined && idleAfterMs !== false) stops.push(watchIdle(doc, clock, idleAfterMs, tell.idle));
  signal.addEventListener('abort', () => stops.forEach((stop) => stop()), { once: true });
}
