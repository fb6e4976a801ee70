import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const CLI = fileURLToPath(new URL('../../../src/server/cli/main.ts', import.meta.url));

/** `lumen-comm-server` as a process. */
export class Command implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #exited: Promise<number | null>;
  stdout = '';
  stderr = '';

  constructor(args: readonly string[], env: Record<string, string> = {}) {
    this.#process = spawn(process.execPath, [CLI, ...args], { env: { PATH: process.env['PATH'] ?? '', ...env } });
    this.#process.stdout?.on('data', (chunk) => (this.stdout += String(chunk)));
    this.#process.stderr?.on('data', (chunk) => (this.stderr += String(chunk)));
    this.#exited = once(this.#process, 'close').then(() => this.#process.exitCode);
  }

  /** Resolves with its address once it says that it can be used. */
  async listening(): Promise<string> {
    for (;;) {
      const url = /^lumen-comm listening on (http:\/\/\S+)\n$/.exec(this.stdout)?.[1];
      if (url !== undefined) return url;
      const ended = await Promise.race([this.#exited, once(this.#process.stdout ?? this.#process, 'data')]);
      if (!Array.isArray(ended)) throw new Error(`It ended: ${this.stderr}`);
    }
  }

  exit(): Promise<number | null> {
    return this.#exited;
  }

  kill(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.#exited;
  }
}
