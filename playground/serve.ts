/**
 * The server and the playground on one port: `npm start`. The server is a process of its own: when it is killed, as the
 * page's developer tools can ask for, it comes back on the same port and database.
 *
 * `PORT` (3000), `HOST` (127.0.0.1) and `DATABASE` (a file, or `:memory:`) can be set in the environment.
 */
import { fork, type ChildProcess } from 'node:child_process';
import path from 'node:path';
import type { Note } from './server.ts';

/** Long enough for a person to see that it is away. */
const AWAY_MS = 1_000;

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
    // By itself it ends only for a reason, which it has said.
    if (isEnding || signal === null || url === undefined) process.exit(code ?? (isEnding ? 0 : 1));
    console.log(`The server was ended by ${signal}; it starts again.`);
    setTimeout(() => {
      if (!isEnding) start();
    }, AWAY_MS);
  });
}

function listening(at: string): void {
  if (url !== undefined) return console.log('It is back.');
  url = at;
  console.log(`lumen-comm listening on ${url}`);
  console.log(`\nOpen two windows next to each other:\n  ${url}/?user=alice\n  ${url}/?user=bob\n`);
  console.log('Ctrl+C ends it.');
}

function end(): void {
  if (isEnding) return;
  isEnding = true;
  if (child?.connected === true) child.send('end');
  else process.exit(0);
}

process.on('SIGINT', end);
process.on('SIGTERM', end);
// The shell that npm starts scripts in keeps a signal to itself, and is gone.
const { ppid } = process;
if (process.env['npm_lifecycle_event'] === 'start') {
  setInterval(() => {
    if (process.ppid !== ppid) end();
  }, 500).unref();
}
start();
