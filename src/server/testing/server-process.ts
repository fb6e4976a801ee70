import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** Options of {@link startServerProcess}. */
export interface ServerProcessOptions {
  /** Path of the SQLite file, which is kept across restarts. */
  database: string;
  /** Port to listen on; 0 selects a free port, which is kept across restarts. @defaultValue 0 */
  port?: number | undefined;
  /** Further command-line options of `lumen-comm-server serve`, such as `--jwt-secret`. */
  args?: readonly string[] | undefined;
  /** Environment variables beside those of this process. */
  env?: Readonly<Record<string, string>> | undefined;
}

/** The signals that {@link ServerProcess.kill} sends. A list of its own, so that the declaration needs no types of Node. */
export type ProcessSignal = 'SIGKILL' | 'SIGTERM' | 'SIGINT' | 'SIGSTOP' | 'SIGCONT';

/** A server in a child process, which a test can kill and restart. */
export interface ServerProcess extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** False before the process has started, and after it has ended. */
  readonly isRunning: boolean;
  /**
   * Sends a signal and waits until the process has exited.
   *
   * @param signal - `SIGKILL` ends the process at once, `SIGTERM` lets it drain. @defaultValue `'SIGKILL'`
   * @returns the exit code, or `null` if a signal ended the process
   */
  kill(signal?: ProcessSignal): Promise<number | null>;
  /** Starts the server again after `kill()`, on the same port and database. Resolves when it accepts connections. */
  restart(): Promise<void>;
}

/**
 * Starts `lumen-comm-server serve` on 127.0.0.1 in a child process. Resolves when it accepts connections.
 *
 * @throws Error with the last lines of the process's output if it exits before that
 */
export async function startServerProcess(options: ServerProcessOptions): Promise<ServerProcess> {
  const server = new CommandProcess(options);
  await server.restart();
  return server;
}

/** The command-line entry: TypeScript when run from the sources, built JavaScript in the published package. */
const COMMAND = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? '../cli/main.ts' : './cli.mjs', import.meta.url),
);

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

  get isRunning(): boolean {
    return this.#child !== undefined;
  }

  get pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error('The server process is not running');
    return pid;
  }

  async restart(): Promise<void> {
    if (this.#child !== undefined) throw new Error('The server process is already running');
    const { database, args = [], env } = this.#options;
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
      { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] },
    );
    this.#child = child;
    this.#ended = once(child, 'exit').then(([code]) => {
      this.#child = undefined;
      return code as number | null;
    });
    const output: string[] = [];
    const address = new Promise<string>((resolve) => {
      for (const stream of [child.stdout, child.stderr]) {
        createInterface({ input: stream }).on('line', (line) => {
          output.push(line);
          const url = /listening on (http:\S+)/.exec(line)?.[1];
          if (url !== undefined) resolve(url);
        });
      }
    });
    const url = await Promise.race([address, this.#ended.then(() => undefined)]);
    if (url === undefined) throw new Error(`The server process exited: ${output.slice(-5).join(' | ')}`);
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
