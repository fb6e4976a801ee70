import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Snippet } from './snippets.ts';

const hooks = pathToFileURL(path.join(import.meta.dirname, 'resolve-in-child.ts')).href;

/** The environment variable `JWT_SECRET` of snippets. */
export const JWT_SECRET = 'the secret of the documentation, for tests';

export interface RunningSnippet extends AsyncDisposable {
  /** Resolves when the expected lines were printed; rejects if the process exits before. */
  readonly printed: Promise<void>;
  /** Resolves with exit code and output when the process exits. */
  readonly ended: Promise<{ code: number | null; lines: string[]; errors: string }>;
}

/**
 * Runs a snippet as a child process in a temporary directory. Replaces port 3000 by `port`.
 *
 * @param host - script to run instead, with the path of the snippet and the port as arguments
 */
export async function runSnippet(
  { file = 'snippet.mjs', code, prints }: Pick<Snippet, 'file' | 'code' | 'prints'>,
  port: number,
  host?: string,
): Promise<RunningSnippet> {
  const directory = await mkdtemp(path.join(tmpdir(), 'lumen-comm-docs-'));
  const script = path.join(directory, path.basename(file));
  const withPort = (text: string): string => text.replaceAll('3000', String(port));
  await writeFile(script, withPort(code));
  const command = host === undefined ? [script] : [path.join(import.meta.dirname, host), script, String(port)];
  const child = spawn(process.execPath, ['--import', hooks, ...command], {
    cwd: directory,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_ENV: 'development', NODE_NO_WARNINGS: '1', JWT_SECRET },
  });
  let output = '';
  let errors = '';
  const closed = once(child, 'close') as Promise<[number | null]>;
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const expected = prints.map(withPort);
  const printed = new Promise<void>((resolve, reject) => {
    const check = (): void => {
      const lines = output.split('\n');
      if (expected.every((line) => lines.includes(line))) resolve();
    };
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      check();
    });
    check();
    void closed.then(() =>
      reject(new Error(`The snippet exited before it printed the expected lines.\n${output}\n${errors}`)),
    );
  });
  printed.catch(() => undefined);
  return {
    printed,
    ended: closed.then(([exit]) => ({ code: exit, lines: output.split('\n').filter((line) => line !== ''), errors })),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await closed;
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/**
 * Returns a free port. It is below the ephemeral range, so that servers on port 0 don't receive it in the meantime, and
 * above 10080, the highest port in that range that `fetch` blocks.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(10_100, 30_000);
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!isFree) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}
