import type { Clock } from '../../src/lib/clock.ts';

export interface ManualClock extends Clock {
  /** Advances the time and runs the tasks that become due, in order. */
  advance(ms: number): void;
  /** Advances the time without running tasks, like a suspended machine. */
  sleep(ms: number): void;
  /** Number of scheduled tasks. */
  readonly pending: number;
}

/** Creates a clock that advances only through its methods. */
export function manualClock(startMs = 1_700_000_000_000): ManualClock {
  let nowMs = startMs;
  const tasks = new Set<{ at: number; task: () => void }>();
  return {
    now: () => nowMs,
    after(delayMs, task) {
      const entry = { at: nowMs + delayMs, task };
      tasks.add(entry);
      return () => void tasks.delete(entry);
    },
    advance(ms) {
      const end = nowMs + ms;
      for (;;) {
        const next = [...tasks].filter(({ at }) => at <= end).toSorted((a, b) => a.at - b.at)[0];
        if (next === undefined) break;
        tasks.delete(next);
        nowMs = Math.max(nowMs, next.at);
        next.task();
      }
      nowMs = end;
    },
    sleep(ms) {
      nowMs += ms;
    },
    get pending() {
      return tasks.size;
    },
  };
}
