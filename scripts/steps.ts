import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { stripVTControlCharacters } from 'node:util';

export interface Counts {
  passed: number;
  failed: number;
}

export interface Step {
  readonly name: string;
  /** A tool in node_modules/.bin, or `node`. */
  readonly command: readonly [tool: string, ...args: readonly string[]];
  /** Steps that must have passed. If one of them failed, this step isn't run and counts as failed. */
  readonly needs?: readonly string[];
  /** Steps that must have ended, with any result. */
  readonly after?: readonly string[];
  /** No other step runs at the same time. */
  readonly alone?: boolean;
  /** Returns the numbers of tests in the step. @defaultValue the step counts as one test */
  readonly count?: (succeeded: boolean) => Counts | undefined;
  /** Returns a note to print behind a step that passed. */
  readonly note?: (output: string) => string | undefined;
}

interface Result {
  readonly succeeded: boolean;
  readonly output: string;
}

export const root = path.resolve(import.meta.dirname, '..');
const bin = path.join(root, 'node_modules/.bin');
const LONGEST_STEP_MS = 30 * 60_000;

/** `PATH` starts with node_modules/.bin, which holds the tools and the pinned version of Node. */
export const toolEnvironment: NodeJS.ProcessEnv = {
  ...process.env,
  CI: 'true',
  NO_COLOR: '1',
  PATH: `${bin}${path.delimiter}${process.env['PATH'] ?? ''}`,
};

function run([tool, ...args]: Step['command']): Promise<Result> {
  const command = tool === 'node' ? process.execPath : path.join(bin, tool);
  const { promise, resolve } = Promise.withResolvers<Result>();
  const chunks: Buffer[] = [];
  // In a process group, so that a timeout also ends the processes that the step started.
  const child = spawn(command, args, {
    cwd: root,
    env: toolEnvironment,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const end = (succeeded: boolean, ending = ''): void => {
    clearTimeout(timer);
    resolve({ succeeded, output: stripVTControlCharacters(Buffer.concat(chunks).toString('utf8')) + ending });
  };
  const stop = (): void => {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  };
  const timer = setTimeout(() => {
    chunks.push(Buffer.from(`\nStopped after ${LONGEST_STEP_MS / 60_000} minutes\n`));
    stop();
  }, LONGEST_STEP_MS);
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.on('error', (error) => end(false, `${tool} couldn't be started: ${error.message}\n`));
  child.on('close', (code, signal) => end(code === 0, signal === null ? '' : `Ended by ${signal}\n`));
  return promise;
}

/** Runs the steps, as many at once as there are processors, and prints the result of each. */
export async function runSteps(steps: readonly Step[]): Promise<Counts> {
  const total: Counts = { passed: 0, failed: 0 };
  const ended = new Map<string, boolean>();
  const running = new Map<Step, Promise<void>>();
  const waiting = new Set(steps);
  const names = new Set(steps.map(({ name }) => name));

  const finish = (step: Step, result: Result, seconds: string): void => {
    const one = result.succeeded ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
    const counts = step.count?.(result.succeeded) ?? one;
    // A runner that failed although no test did, as after a crash or an unhandled error, counts as one failure.
    if (!result.succeeded && counts.failed === 0) counts.failed = 1;
    total.passed += counts.passed;
    total.failed += counts.failed;
    ended.set(step.name, counts.failed === 0);
    const note = counts.failed === 0 ? step.note?.(result.output) : undefined;
    const numbers = step.count === undefined ? '' : ` (${counts.passed} passed, ${counts.failed} failed)`;
    console.log(`${counts.failed === 0 ? '✓' : '✗'} ${step.name.padEnd(14)} ${seconds} s${numbers}${note ?? ''}`);
    if (counts.failed > 0) console.log(`${result.output.trimEnd().replaceAll(/^/gm, '    ')}\n`);
  };

  const start = async (step: Step): Promise<void> => {
    const startedAt = performance.now();
    const missing = step.needs?.find((need) => ended.get(need) === false);
    const result =
      missing === undefined
        ? await run(step.command)
        : { succeeded: false, output: `Not run: requires "${missing}", which failed` };
    finish(step, result, ((performance.now() - startedAt) / 1_000).toFixed(1));
  };

  while (waiting.size > 0 || running.size > 0) {
    for (const step of waiting) {
      const aloneRuns = [...running.keys()].some(({ alone }) => alone === true);
      if (aloneRuns || running.size >= availableParallelism() || (step.alone === true && running.size > 0)) break;
      const earlier = [...(step.needs ?? []), ...(step.after ?? [])];
      if (earlier.some((name) => names.has(name) && !ended.has(name))) continue;
      waiting.delete(step);
      running.set(
        step,
        start(step).then(() => void running.delete(step)),
      );
    }
    if (running.size === 0)
      throw new Error(`Steps that depend on each other: ${[...waiting].map((s) => s.name).join()}`);
    await Promise.race(running.values());
  }
  return total;
}
