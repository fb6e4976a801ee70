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

export interface RunningSnippet extends AsyncDisposable {
  /** Resolves when it has printed what it says it prints; rejects when it ends before. */
  readonly printed: Promise<void>;
  /** Its whole output, once it has ended by itself. */
  readonly ended: Promise<{ code: number | null; lines: string[]; errors: string }>;
}

/**
 * Runs a snippet in a process and a directory of its own, with another port in the place of 3000.
 *
 * @param host - a script that gets the snippet's path and the port as arguments, and runs in its place
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
    env: { ...process.env, NODE_ENV: 'development', NODE_NO_WARNINGS: '1' },
  });
  let output = '';
  let errors = '';
  const closed = once(child, 'close') as Promise<[number | null]>;
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const wanted = prints.map(withPort);
  const printed = new Promise<void>((resolve, reject) => {
    const look = (): void => {
      const lines = output.split('\n');
      if (wanted.every((line) => lines.includes(line))) resolve();
    };
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      look();
    });
    look();
    void closed.then(() => reject(new Error(`It ended without printing it all.\n${output}\n${errors}`)));
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
 * Below the ports that systems hand out themselves: no server on port 0 gets it before the snippet has it. And above
 * 10080, the last one below them that `fetch` refuses to ask.
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
