import { readdirSync, readFileSync } from 'node:fs';

/** Milliseconds of a clock tick, the unit of `/proc`. */
const TICK_MS = 10;

interface Stat {
  readonly parent: number;
  /** Of the process, and of its children that have ended. */
  readonly processorMs: number;
}

/** Reads `/proc`, so it works on Linux only. Returns `undefined` if the process has ended. */
function statOf(pid: number): Stat | undefined {
  try {
    // The name of the command can contain spaces and brackets.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ').map(Number) ?? [];
    const [, parent = 0] = fields;
    return { parent, processorMs: TICK_MS * fields.slice(11, 15).reduce((sum, ticks) => sum + ticks, 0) };
  } catch {
    return undefined;
  }
}

/** Returns the process that has started a process. */
export function parentOf(pid: number): number {
  return statOf(pid)?.parent ?? 0;
}

/** Returns the processor time of a process and of all that it has started, in ms. */
export function processorMsBelow(pid: number): number {
  const running = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const children = running.map((name) => statOf(Number(name))).filter((stat) => stat?.parent === pid);
  return [statOf(pid), ...children].reduce((sum, stat) => sum + (stat?.processorMs ?? 0), 0);
}
