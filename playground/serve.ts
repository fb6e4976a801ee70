/**
 * Starts the playground: `npm start`. The server is a child process. If it is killed, for example from the developer tools
 * of the page, it restarts on the same port and database.
 *
 * Environment variables: `PORT` (3000), `HOST` (127.0.0.1) and `DATABASE` (a file, or `:memory:`).
 */
import { fork, type ChildProcess } from 'node:child_process';
import path from 'node:path';
import type { Note } from './server.ts';

/** Delay before a restart, so that the outage is visible in the page. */
const RESTART_DELAY_MS = 1_000;

let child: ChildProcess | undefined;
let url: string | undefined;
let isEnding = false;

function start(): void {
  const started = fork(path.join(import.meta.dirname, 'server.ts'), {
    env: { ...process.env, ...(url !== undefined && { PORT: new URL(url).port }) },
  });
  child = started;
  started.on('message', (note: Note) => {
    if (note.type === 'kill-me') started.kill('SIGKILL');
    else listening(note.url);
  });
  started.once('exit', (code, signal) => {
    child = undefined;
    // Without a signal the child has failed and printed the reason.
    if (isEnding || signal === null || url === undefined) process.exit(code ?? (isEnding ? 0 : 1));
    console.log(`The server was terminated by ${signal} and restarts.`);
    setTimeout(() => {
      if (!isEnding) start();
    }, RESTART_DELAY_MS);
  });
}

function listening(at: string): void {
  if (url !== undefined) return console.log('The server is running again.');
  url = at;
  console.log(`lumen-comm listening on ${url}`);
  console.log(`\nOpen two windows next to each other:\n  ${url}/?user=alice\n  ${url}/?user=bob\n`);
  console.log('Press Ctrl+C to stop.');
}

function end(): void {
  if (isEnding) return;
  isEnding = true;
  if (child?.connected === true) child.send('end');
  else process.exit(0);
}

process.on('SIGINT', end);
process.on('SIGTERM', end);
// npm runs scripts in a shell that doesn't forward signals. If the shell is gone, the parent process id changes.
const { ppid } = process;
if (process.env['npm_lifecycle_event'] === 'start') {
  setInterval(() => {
    if (process.ppid !== ppid) end();
  }, 500).unref();
}
start();
