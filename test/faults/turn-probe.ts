/**
 * Measures how long the event loop of a process is held up, from inside of it: loaded by `--import` before the program.
 * After `SIGUSR2` it writes what it has measured since the last signal to the file in `TURN_PROBE_FILE`.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { monitorEventLoopDelay, performance, PerformanceObserver } from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';

/** What the probe writes, in ms. */
export interface TurnReport {
  /**
   * The most processor time of the main thread between two runs of a timer that is due in each turn, without garbage
   * collection: what a turn takes on an idle machine.
   */
  longestCpuMs: number;
  /** The longest time that garbage collection took in one turn. */
  longestGcMs: number;
  /** The longest delay of a timer, which on a busy machine includes the time of other processes; its 99th percentile. */
  longestMs: number;
  p99Ms: number;
}

interface Turn {
  readonly begin: number;
  readonly end: number;
  readonly cpuMs: number;
}
interface Collection {
  readonly startTime: number;
  readonly duration: number;
}

const RESOLUTION_MS = 1;
/** Shorter turns are not looked at. */
const SHORTEST_MS = 2;
const NS_PER_MS = 1e6;
const US_PER_MS = 1e3;
const file = process.env['TURN_PROBE_FILE'];

if (isMainThread && file !== undefined) {
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delays.enable();
  let turns: Turn[] = [];
  let collections: Collection[] = [];
  new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries()) collections.push({ startTime, duration });
  }).observe({ entryTypes: ['gc'] });
  let [begin, before] = [performance.now(), cpuTime()];
  setInterval(() => {
    const [end, after] = [performance.now(), cpuTime()];
    const cpuMs = (after - before) / US_PER_MS;
    if (cpuMs >= SHORTEST_MS) turns.push({ begin, end, cpuMs });
    [begin, before] = [end, after];
  }, RESOLUTION_MS).unref();
  process.on('SIGUSR2', () => {
    const measured = turns.map(({ begin: from, end: to, cpuMs }) => {
      const within = collections.filter(({ startTime }) => startTime >= from && startTime < to);
      const gcMs = within.reduce((sum, { duration }) => sum + duration, 0);
      return { gcMs, cpuMs: cpuMs - gcMs };
    });
    const report: TurnReport = {
      longestCpuMs: tenths(Math.max(0, ...measured.map(({ cpuMs }) => cpuMs))),
      longestGcMs: tenths(Math.max(0, ...measured.map(({ gcMs }) => gcMs))),
      longestMs: tenths(delays.max / NS_PER_MS - RESOLUTION_MS),
      p99Ms: tenths(delays.percentile(99) / NS_PER_MS - RESOLUTION_MS),
    };
    delays.reset();
    [turns, collections] = [[], []];
    // Renamed, so that a reader never sees a part of the report.
    writeFileSync(`${file}.part`, JSON.stringify(report));
    renameSync(`${file}.part`, file);
  });
}

/** CPU time of this thread in µs. */
function cpuTime(): number {
  const { user, system } = process.threadCpuUsage();
  return user + system;
}

function tenths(ms: number): number {
  return Math.round(ms * 10) / 10;
}
