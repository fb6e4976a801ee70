import { fork, type ChildProcess } from 'node:child_process';
import path from 'node:path';
import type { Note } from './server.ts';

/** What a {@link ChildServer} tells its owner. */
export interface ChildServerEvents {
  /** It can be used. @param isFirst - false after a restart */
  listening(url: string, isFirst: boolean): void;
  /** The page asks for the end of a process; `undefined` means this one. */
  kill(process: string | undefined): void;
  /** It ended because it failed, and has printed the reason; or because it was asked to end. */
  ended(exitCode: number): void;
}

/** Delay before a restart, so that the outage is visible in the page. Tests set a longer one. */
const RESTART_DELAY_MS = Number(process.env['RESTART_DELAY_MS'] ?? 1_000);

/** A server of the playground in a child process, which is restarted on the same port if it is killed. */
export class ChildServer {
  readonly #title: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #events: ChildServerEvents;
  #child: ChildProcess | undefined;
  #url: string | undefined;
  #isEnding = false;

  /** @param title - for messages */
  constructor(title: string, env: NodeJS.ProcessEnv, events: ChildServerEvents) {
    this.#title = title;
    this.#env = env;
    this.#events = events;
  }

  /** Port that it listens on, or listened on before it was killed. */
  get port(): number | undefined {
    return this.#url === undefined ? undefined : Number(new URL(this.#url).port);
  }

  start(): void {
    const env = { ...process.env, ...this.#env, ...(this.port !== undefined && { PORT: String(this.port) }) };
    const started = fork(path.join(import.meta.dirname, 'server.ts'), { env });
    this.#child = started;
    started.on('message', (note: Note) => {
      if (note.type === 'kill') return this.#events.kill(note.process);
      const isFirst = this.#url === undefined;
      this.#url = note.url;
      this.#events.listening(note.url, isFirst);
    });
    started.once('exit', (code, signal) => {
      this.#child = undefined;
      // Without a signal the child has failed and printed the reason.
      if (this.#isEnding || signal === null || this.#url === undefined) {
        return this.#events.ended(code ?? (this.#isEnding ? 0 : 1));
      }
      console.log(`${this.#title} was terminated by ${signal} and restarts.`);
      setTimeout(() => {
        if (!this.#isEnding) this.start();
      }, RESTART_DELAY_MS);
    });
  }

  kill(): void {
    this.#child?.kill('SIGKILL');
  }

  /** Asks it to end. `ended` follows. */
  end(): void {
    this.#isEnding = true;
    if (this.#child?.connected === true) this.#child.send('end');
    else this.#events.ended(0);
  }
}

/** Calls `end` once when the user ends the command. */
export function onEnd(script: string, end: () => void): void {
  let isEnding = false;
  const once = (): void => {
    if (isEnding) return;
    isEnding = true;
    end();
  };
  process.on('SIGINT', once);
  process.on('SIGTERM', once);
  // npm runs scripts in a shell that doesn't forward signals. If the shell is gone, the parent process id changes.
  const { ppid } = process;
  if (process.env['npm_lifecycle_event'] === script) {
    setInterval(() => {
      if (process.ppid !== ppid) once();
    }, 500).unref();
  }
}

/** Prints where the playground is. */
export function announce(url: string): void {
  console.log(`lumen-comm listening on ${url}`);
  console.log(`\nOpen two windows next to each other:\n  ${url}/?user=alice\n  ${url}/?user=bob\n`);
  console.log('Press Ctrl+C to stop.');
}
