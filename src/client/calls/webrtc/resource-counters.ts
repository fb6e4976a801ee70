import type { Clock } from '../../../lib/clock.ts';

/** Counts the resources that calls currently hold in this page, for leak tests. All zero while no call exists. */
export const resourceCounters = { connections: 0, tracks: 0, timers: 0, listeners: 0, workers: 0 };

/** Adds an event listener that is counted and is removed when `signal` aborts. */
export function listen(target: EventTarget, type: string, listener: (event: Event) => void, signal: AbortSignal): void {
  if (signal.aborted) return;
  resourceCounters.listeners += 1;
  target.addEventListener(type, listener, { signal });
  signal.addEventListener('abort', () => (resourceCounters.listeners -= 1), { once: true });
}

/** Returns a clock that counts its running timers in {@link resourceCounters}. */
export function countTimers(clock: Pick<Clock, 'after'>): Pick<Clock, 'after'> {
  return {
    after(delayMs, task, idle) {
      let running = 1;
      resourceCounters.timers += 1;
      const end = (): void => {
        resourceCounters.timers -= running;
        running = 0;
      };
      const cancel = clock.after(
        delayMs,
        () => {
          end();
          task();
        },
        idle,
      );
      return () => {
        end();
        cancel();
      };
    },
  };
}
