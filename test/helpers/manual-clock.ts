import type { Clock } from '../../src/lib/clock.ts';

export interface ManualClock extends Clock {
  /** Moves time on and runs what falls due, in the order of its times. */
  advance(ms: number): void;
  /** Moves time on and runs nothing, as while a machine sleeps. */
  sleep(ms: number): void;
  /** How many tasks wait. */
  readonly pending: number;
}

/** A clock that moves only when it is told to. */
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
