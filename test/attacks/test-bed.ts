import { readFileSync, writeFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { once } from 'node:events';
import { DatabaseSync } from 'node:sqlite';
import { SignJWT } from 'jose';
import { DEFAULT_REST_PATH } from '../../src/protocol/constants.ts';
import { isCommError } from '../../src/protocol/errors.ts';
import type { RateLimit } from '../../src/server/services/limits/server-limits.ts';
import { startServerProcess, type ServerProcess } from '../../src/server/testing/server-process.ts';
import { connectUser, type TestUser } from '../../src/testing/connect-user.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import type { Served, WorkerData } from './innocent-worker.ts';

const SECRET = 'the secret of a server that is attacked';
const LIFETIME_S = 3_600;
export const MEGABYTE = 1_024 * 1_024;

/** An answer for which the server works longer has waited for the attack. */
export const MAX_DELAY_MS = 500;

/** What an attack cost the server and an innocent user. */
export interface Cost {
  /** How far the resident memory rose above its level at the start of the attack, in bytes. */
  readonly peakBytes: number;
  /**
   * The most processor time that the server's main thread spent while the innocent user waited for one answer during the
   * attack, in milliseconds. Time on the clock would also count what other processes of the machine take.
   */
  readonly delayMs: number;
  /** Answers the innocent user received during the attack. */
  readonly served: number;
  /** Duration of the attack, in which budgets were refilled. */
  readonly seconds: number;
}

/** Returns how much a rate limit allows during an attack. */
export function allowed({ burst, perSecond }: RateLimit, { seconds }: Cost): number {
  return burst + perSecond * seconds;
}

/** A server in a process of its own, with default limits and tokens, and an innocent user in a thread of its own. */
export interface AttackedServer extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
  /** Contains the database and the directory `files`. */
  readonly directory: string;
  token(userId: string): Promise<string>;
  connect(userId: string): Promise<TestUser>;
  /** Sends a REST request below the mount path, with the token of the user. */
  rest(userId: string, path: string, init?: RequestInit): Promise<Response>;
  /**
   * Runs an attack while the innocent user sends one request after the other.
   *
   * @throws Error if the server does not answer the innocent user after the attack
   */
  attack(run: () => Promise<void>): Promise<Cost>;
}

/** Starts `lumen-comm-server serve` with a secret for tokens and without any option that changes a limit. */
export async function startAttackedServer(args: readonly string[] = []): Promise<AttackedServer> {
  const directory = await temporaryDirectory();
  const database = `${directory.path}/comm.sqlite`;
  const files = `${directory.path}/files`;
  const server = await startServerProcess({ database, args: ['--jwt-secret', SECRET, '--files', files, ...args] });
  const { url } = server;
  const innocent = await startInnocentUser({ url, pid: server.pid, token: await token('innocent') });
  return {
    url,
    pid: server.pid,
    directory: directory.path,
    token,
    connect: async (userId) => connectUser({ url, userId, token: await token(userId) }),
    rest: async (userId, path, init = {}) => {
      const headers = new Headers(init.headers);
      headers.set('authorization', `Bearer ${await token(userId)}`);
      return fetch(`${url}${DEFAULT_REST_PATH}${path}`, { ...init, headers });
    },
    attack: (run) => measure(server, innocent, run),
    async [Symbol.asyncDispose]() {
      await innocent.stop();
      await server[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

/** Returns `ok`, or the code of the error with which a request is refused. */
export async function outcome(request: Promise<unknown>): Promise<string> {
  try {
    await request;
    return 'ok';
  } catch (error) {
    return isCommError(error) ? error.code : String(error);
  }
}

/** Returns the number of rows in a table of the server's database. */
export function countRows({ directory }: AttackedServer, table: string): number {
  const db = new DatabaseSync(`${directory}/comm.sqlite`, { readOnly: true });
  try {
    return Number(db.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.['n']);
  } finally {
    db.close();
  }
}

function token(userId: string): Promise<string> {
  const now = Math.floor(Date.now() / 1_000);
  return new SignJWT({ sub: userId, iat: now, exp: now + LIFETIME_S })
    .setProtectedHeader({ alg: 'HS256' })
    .sign(new TextEncoder().encode(SECRET));
}

async function measure(server: ServerProcess, innocent: InnocentUser, run: () => Promise<void>): Promise<Cost> {
  // The first answers take longer: the code is not compiled yet.
  await innocent.serve(WARM_UP);
  resetPeak(server.pid);
  const startBytes = memory(server.pid, 'VmRSS');
  const during = innocent.serveUntil();
  const start = performance.now();
  await run();
  const seconds = (performance.now() - start) / 1_000;
  const { delayMs, answers } = await during.stop();
  const peakBytes = memory(server.pid, 'VmHWM') - startBytes;
  await innocent.serve(1);
  return { peakBytes, delayMs, served: answers, seconds };
}

const WARM_UP = 100;

/** A field of Linux's `/proc/<pid>/status`, in bytes: `VmRSS` is the resident memory, `VmHWM` its peak. */
function memory(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  const kilobytes = new RegExp(`${field}:\\s+(\\d+) kB`).exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes) * 1_024;
}

/** Sets `VmHWM` to the present resident memory (proc(5), `clear_refs`). */
function resetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
}

interface InnocentUser {
  /** Sends that many requests, one after the other. */
  serve(requests: number): Promise<Served>;
  /** Sends one request after the other until `stop()` is called. */
  serveUntil(): { stop(): Promise<Served> };
  stop(): Promise<void>;
}

async function startInnocentUser(workerData: WorkerData): Promise<InnocentUser> {
  const worker = new Worker(new URL('innocent-worker.ts', import.meta.url), { workerData });
  await once(worker, 'message');
  const served = async (): Promise<Served> => ((await once(worker, 'message')) as [Served])[0];
  return {
    async serve(requests) {
      worker.postMessage(requests);
      return await served();
    },
    serveUntil() {
      worker.postMessage(Number.POSITIVE_INFINITY);
      return {
        async stop() {
          worker.postMessage(0);
          return await served();
        },
      };
    },
    async stop() {
      await worker.terminate();
    },
  };
}
