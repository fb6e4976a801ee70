import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** A server in a process of its own, so that it shares no event loop with the clients that measure it. */
export interface ServerProcess extends AsyncDisposable {
  readonly url: string;
}

/** @param file - next to this one; it calls {@link serving} once it listens */
export async function startProcess(file: string, ...args: readonly string[]): Promise<ServerProcess> {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), args);
  const [port] = (await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(([code]) => Promise.reject(new Error(`${file} ended with ${String(code)}`))),
  ])) as [number];
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null) return;
      const ended = once(child, 'exit');
      if (child.connected) child.disconnect();
      await ended;
    },
  };
}

/** Tells the parent where to knock, and ends when the parent does. */
export function serving(port: number, close: () => Promise<unknown>): void {
  process.once('disconnect', () => {
    void close().finally(() => process.exit());
  });
  process.send?.(port);
}
