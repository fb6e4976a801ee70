import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** A server in a child process, so that it does not share an event loop with the measuring clients. */
export interface ServerProcess extends AsyncDisposable {
  readonly url: string;
  usage(): Promise<Usage>;
}

/** What a server has used since it was started. */
export interface Usage {
  /** Without the garbage collections for {@link heapBytes}. */
  readonly processorMs: number;
  /** Heap and buffers after garbage collection. */
  readonly heapBytes: number;
}

/**
 * Starts a server.
 *
 * @param file - script in this folder; it calls {@link serving} once it listens
 */
export async function startProcess(file: string, ...args: readonly string[]): Promise<ServerProcess> {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), args, { execArgv: ['--expose-gc'] });
  const [port] = (await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(([code]) => Promise.reject(new Error(`${file} ended with ${String(code)}`))),
  ])) as [number];
  return {
    url: `http://127.0.0.1:${port}`,
    async usage() {
      const answered = once(child, 'message');
      child.send('usage');
      const [usage] = (await answered) as [Usage];
      return usage;
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null) return;
      const ended = once(child, 'exit');
      if (child.connected) child.disconnect();
      await ended;
    },
  };
}

/** Sends the port and, when asked, the usage to the parent process, and exits when the parent exits. */
export function serving(port: number, close: () => Promise<unknown>): void {
  process.once('disconnect', () => {
    void close().finally(() => process.exit());
  });
  let collectingMs = 0;
  process.on('message', () => {
    const processorMs = processorTime() - collectingMs;
    globalThis.gc?.();
    collectingMs = processorTime() - processorMs;
    const { heapUsed, external } = process.memoryUsage();
    const usage: Usage = { processorMs, heapBytes: heapUsed + external };
    process.send?.(usage);
  });
  process.send?.(port);
}

function processorTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}
