/**
 * The innocent user of an attack test, in a thread of its own, so that the work of the attack doesn't delay it. It sends one
 * request after the other while `remaining` is above 0, and posts how it was served.
 */
import { readFileSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { connectUser } from '../../src/testing/connect-user.ts';

/** How the innocent user was served. */
export interface Served {
  readonly answers: number;
  /** The most processor time of the server's main thread between a request and its answer, in milliseconds. */
  readonly delayMs: number;
}

export interface WorkerData {
  readonly url: string;
  /** Process id of the server. */
  readonly pid: number;
  readonly token: string;
}

if (parentPort === null) throw new Error('innocent-worker.ts runs in a worker thread');
const port = parentPort;
const { url, pid, token } = workerData as WorkerData;
const user = await connectUser({ url, userId: 'innocent', token });
const { id } = await user.request('conversation:create', { type: 'group', participantIds: ['friend'] });

let remaining = 0;
let running = false;

/** Linux counts processor time in ticks of this length (`USER_HZ`). */
const TICK_MS = 10;

/** The processor time of the server's main thread so far: the fields `utime` and `stime` of proc(5), in milliseconds. */
function workedMs(): number {
  const fields = readFileSync(`/proc/${pid}/task/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** Keeps the user below its budget of requests per second. */
const PAUSE_MS = 15;

async function serve(): Promise<void> {
  running = true;
  let answers = 0;
  let delayMs = 0;
  while (remaining > 0) {
    remaining -= 1;
    const before = workedMs();
    await user.request('conversation:join', { conversationId: id });
    delayMs = Math.max(delayMs, workedMs() - before);
    answers += 1;
    await new Promise((resolve) => {
      setTimeout(resolve, PAUSE_MS);
    });
  }
  running = false;
  port.postMessage({ answers, delayMs } satisfies Served);
}

port.on('message', (requests: number) => {
  remaining = requests;
  if (requests > 0 && !running) void serve();
});
port.postMessage('ready');
