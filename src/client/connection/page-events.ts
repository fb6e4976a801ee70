import type { Clock } from '../../lib/clock.ts';
import { watchSleep, watchWake } from './wake.ts';

/** What page events change. */
export interface PageTargets {
  readonly connection: { wake(): void };
  readonly presence: { readonly current: { idle(isIdle: boolean): void } | undefined };
}

/**
 * Detects wake-ups and idleness until the signal aborts. Outside of browsers only sleep of the machine is detected. Resolves
 * when idleness is watched, whose code is a chunk of its own: it has no effect in the first minutes.
 */
export async function watchPage(
  clock: Clock,
  { connection, presence }: PageTargets,
  idleAfterMs: number | false,
  signal: AbortSignal,
): Promise<void> {
  if (signal.aborted) return;
  const wake = (): void => connection.wake();
  const page = typeof window === 'undefined' ? undefined : window;
  const doc = typeof document === 'undefined' ? undefined : document;
  const isVisible = (): boolean => doc?.visibilityState !== 'hidden';
  const stops = [watchWake(page, doc, wake), watchSleep(clock, isVisible, wake)];
  signal.addEventListener('abort', () => stops.forEach((stop) => stop()), { once: true });
  if (doc === undefined || idleAfterMs === false) return;
  const { watchIdle } = await import('./idle.ts');
  if (!signal.aborted) stops.push(watchIdle(doc, clock, idleAfterMs, (isIdle) => presence.current?.idle(isIdle)));
}
