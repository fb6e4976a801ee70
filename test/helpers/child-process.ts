import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export interface Child extends AsyncDisposable {
  readonly pid: number;
  /** The lines printed so far. */
  readonly lines: readonly string[];
  /** Resolves when `enough` returns true for the lines so far; rejects if the process exits before. */
  until(enough: (lines: readonly string[]) => boolean): Promise<void>;
  /** Sends the signal. Resolves when the process has exited and all its output has arrived. */
  kill(signal: NodeJS.Signals): Promise<void>;
  ended: Promise<void>;
}

/** Starts a TypeScript file next to this one in a child process, optionally with a shell prefix such as `ulimit`. */
export function startChild(file: string, args: readonly string[], prefix = ''): Child {
  const script = fileURLToPath(new URL(file, import.meta.url));
  const process_: ChildProcess = spawn(
    'sh',
    ['-c', `${prefix} exec "$0" --disable-warning=ExperimentalWarning "$@"`, process.execPath, script, ...args],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  const { pid, stdout } = process_;
  if (pid === undefined || stdout === null) throw new Error('The child did not start');
  const lines: string[] = [];
  const reader = createInterface({ input: stdout });
  const ended = Promise.all([once(process_, 'exit'), once(reader, 'close')]).then(() => undefined);
  reader.on('line', (line) => lines.push(line));
  const kill = async (signal: NodeJS.Signals): Promise<void> => {
    process_.kill(signal);
    await ended;
  };
  return {
    pid,
    lines,
    ended,
    kill,
    until: (enough) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (enough(lines)) resolve();
        };
        look();
        reader.on('line', look);
        void ended.then(() => reject(new Error(`The child ended after: ${lines.slice(-5).join(' | ')}`)));
      }),
    [Symbol.asyncDispose]: () => kill('SIGKILL'),
  };
}
