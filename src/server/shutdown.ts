import type { Server as HttpServer } from 'node:http';
import type { Socket as NetSocket } from 'node:net';
import type { Server } from 'socket.io';
import type { Core } from './core.ts';

export interface Running {
  core: Core;
  http: HttpServer;
  io: Server;
  /** Every TCP connection, upgraded ones too. */
  sockets: ReadonlySet<NetSocket>;
  /** Every Engine.IO connection, on whatever transport. */
  lines: ReadonlySet<Line>;
  /** What runs gets this long to be answered. */
  drainTimeoutMs: number;
}

/** A part of an Engine.IO connection. */
export interface Line {
  once(event: 'close', listener: () => void): unknown;
  close(): unknown;
}

/** What is closed gets this long to go. */
const CLOSE_MS = 1_000;

/**
 * Ends a server in the order that loses nothing: no new connections, what runs is answered and written, the lines are
 * closed below Socket.IO (its own goodbye would tell clients not to come back), and whatever is left after that is cut.
 */
export async function shutdown({ core, http, io, sockets, lines, drainTimeoutMs }: Running): Promise<void> {
  core.drain();
  const stopped = new Promise<void>((resolve) => http.close(() => resolve()));
  http.closeIdleConnections();
  await within(drainTimeoutMs, Promise.all([core.inFlight.idle(), core.store.drain()]));
  http.closeIdleConnections();
  await within(CLOSE_MS, closeLines(lines));
  for (const socket of sockets) socket.destroy();
  await within(CLOSE_MS, Promise.all([io.close(), stopped]));
  core.close();
  // What the end of the lines has caused.
  await within(CLOSE_MS, core.store.drain());
}

/** Each line is closed once what was queued on it is sent. */
async function closeLines(lines: ReadonlySet<Line>): Promise<void> {
  await Promise.all(
    [...lines].map(async (line) => {
      const closed = new Promise<void>((resolve) => {
        line.once('close', resolve);
      });
      line.close();
      await closed;
    }),
  );
}

/** Resolves when `work` does, however it ends, and in any case after `ms`. */
async function within(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work.catch(() => undefined), late]);
  clearTimeout(timer);
}
