import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export interface ServerProcessOptions {
  /** A SQLite file: what is in it is what survives. */
  database: string;
  /** 0 takes a free one, and keeps it over restarts. @defaultValue 0 */
  port?: number | undefined;
  /** More of the command line's options, such as `--jwt-secret`. */
  args?: readonly string[] | undefined;
}

/** How a process may be ended, or held. Named here, so that whoever compiles for a browser needs no types of Node. */
export type ProcessSignal = 'SIGKILL' | 'SIGTERM' | 'SIGINT' | 'SIGSTOP' | 'SIGCONT';

/** The server as a process of its own, to be killed at the worst moment. */
export interface ServerProcess extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /**
   * Sends a signal and waits for the end. `SIGKILL`: nothing is finished, nothing is said to anybody.
   *
   * @returns the exit code; null when a signal ended it
   */
  kill(signal?: ProcessSignal): Promise<number | null>;
  /** Starts again after a `kill`, on the same port and database. */
  restart(): Promise<void>;
}

/** Starts `lumen-comm serve` on 127.0.0.1. Resolves when it can be used. */
export async function startServerProcess(options: ServerProcessOptions): Promise<ServerProcess> {
  const server = new CommandProcess(options);
  await server.restart();
  return server;
}

/** Beside this file: in `dist` as in `src`. */
const COMMAND = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? '../cli.ts' : './cli.mjs', import.meta.url));

class CommandProcess implements ServerProcess {
  readonly #options: ServerProcessOptions;
  #port: number;
  #child: ChildProcess | undefined;
  #ended: Promise<number | null> = Promise.resolve(null);

  constructor(options: ServerProcessOptions) {
    this.#options = options;
    this.#port = options.port ?? 0;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get port(): number {
    return this.#port;
  }

  get pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error('The server process does not run');
    return pid;
  }

  async restart(): Promise<void> {
    if (this.#child !== undefined) throw new Error('The server process runs already');
    const { database, args = [] } = this.#options;
    const child = spawn(
      process.execPath,
      [
        '--disable-warning=ExperimentalWarning',
        COMMAND,
        'serve',
        '--host',
        '127.0.0.1',
        '--port',
        String(this.#port),
        '--database',
        database,
        ...args,
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    this.#child = child;
    this.#ended = once(child, 'exit').then(([code]) => {
      this.#child = undefined;
      return code as number | null;
    });
    const said: string[] = [];
    const address = new Promise<string>((resolve) => {
      for (const stream of [child.stdout, child.stderr]) {
        createInterface({ input: stream }).on('line', (line) => {
          said.push(line);
          const url = /listening on (http:\S+)/.exec(line)?.[1];
          if (url !== undefined) resolve(url);
        });
      }
    });
    const url = await Promise.race([address, this.#ended.then(() => undefined)]);
    if (url === undefined) throw new Error(`The server process ended: ${said.slice(-5).join(' | ')}`);
    this.#port = Number(new URL(url).port);
  }

  async kill(signal: ProcessSignal = 'SIGKILL'): Promise<number | null> {
    this.#child?.kill(signal);
    return await this.#ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}
