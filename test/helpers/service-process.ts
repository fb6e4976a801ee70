import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';

/** How a {@link ServiceProcess} is started. */
export interface ServiceCommand {
  readonly file: string;
  readonly args: readonly string[];
  /** Output that says that the service can be used. */
  readonly ready: string;
  readonly options?: Pick<SpawnOptions, 'cwd' | 'uid' | 'gid' | 'detached'>;
}

/** Options of {@link startPostgres} and {@link startRedis}. */
export interface ServiceOptions {
  /** Whether it runs in a process group of its own, so that Ctrl+C in a terminal doesn't end it before its users. @defaultValue false */
  readonly detached?: boolean;
}

/** A database or another service that a test starts, stops and starts again. */
export class ServiceProcess {
  readonly #command: ServiceCommand;
  #child: ChildProcess | undefined;

  constructor(command: ServiceCommand) {
    this.#command = command;
  }

  /** Starts it. Resolves when it can be used. */
  async start(): Promise<void> {
    const { file, args, ready, options } = this.#command;
    const child = spawn(file, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    let output = '';
    await new Promise<void>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', () => reject(new Error(`${file} ended: ${output}`)));
      for (const stream of [child.stdout, child.stderr]) {
        stream.on('data', (chunk: Buffer) => {
          output = (output + chunk.toString()).slice(-10_000);
          if (output.includes(ready)) resolve();
        });
      }
    });
  }

  /** Sends a signal and waits until the process has ended. */
  async stop(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  }
}

const [FIRST_PORT, LAST_PORT] = [10_000, 32_000];
/** Processes that run at the same time begin at different ports. */
let lastPort = FIRST_PORT + ((process.pid * 101) % (LAST_PORT - FIRST_PORT));

/**
 * Returns a port of the loopback address that is free at present. It is below those that systems choose for outgoing connections,
 * so that none of them takes it while a service is stopped.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    lastPort = lastPort >= LAST_PORT ? FIRST_PORT : lastPort + 1;
    const port = lastPort;
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!isFree) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}
