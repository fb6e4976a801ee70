import type { Server as HttpServer } from 'node:http';
import type { Socket as NetSocket } from 'node:net';
import type { Server } from 'socket.io';
import type { ServerCore } from '../server-core.ts';

/** Parts of the server that {@link shutdown} closes. */
export interface ShutdownOptions {
  core: ServerCore;
  http: HttpServer;
  io: Server;
  /** All TCP connections, including upgraded ones. */
  sockets: ReadonlySet<NetSocket>;
  /** All Engine.IO connections, on any transport. */
  engineSockets: ReadonlySet<EngineSocket>;
  /** Time in ms that running requests have to complete. */
  drainTimeoutMs: number;
}

/** The part of an Engine.IO connection that a shutdown uses. */
export interface EngineSocket {
  once(event: 'close', listener: () => void): unknown;
  close(): unknown;
}

/** Time in ms that closed connections have to disappear. */
const CLOSE_TIMEOUT_MS = 1_000;

/**
 * Shuts a server down without losing work: stops accepting connections, completes running requests, then closes the
 * Engine.IO connections and destroys what is left. Connections are closed below Socket.IO, because a Socket.IO
 * disconnect would tell clients not to reconnect.
 */
export async function shutdown({
  core,
  http,
  io,
  sockets,
  engineSockets,
  drainTimeoutMs,
}: ShutdownOptions): Promise<void> {
  core.drain();
  const stopped = new Promise<void>((resolve) => http.close(() => resolve()));
  http.closeIdleConnections();
  await within(drainTimeoutMs, Promise.all([core.inFlight.idle(), core.store.drain()]));
  http.closeIdleConnections();
  await within(CLOSE_TIMEOUT_MS, closeEngineSockets(engineSockets));
  for (const socket of sockets) socket.destroy();
  await within(CLOSE_TIMEOUT_MS, Promise.all([io.close(), stopped]));
  core.close();
  // Writes caused by the disconnects.
  await within(CLOSE_TIMEOUT_MS, core.services.calls.idle());
  await within(CLOSE_TIMEOUT_MS, core.store.drain());
  await within(CLOSE_TIMEOUT_MS, core.store.release());
}

/** Closes each connection after its queued packets have been sent. */
async function closeEngineSockets(engineSockets: ReadonlySet<EngineSocket>): Promise<void> {
  await Promise.all(
    [...engineSockets].map(async (engineSocket) => {
      const closed = new Promise<void>((resolve) => {
        engineSocket.once('close', resolve);
      });
      engineSocket.close();
      await closed;
    }),
  );
}

/** Resolves when `work` settles, and after `ms` at the latest. */
export async function within(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work.catch(() => undefined), late]);
  clearTimeout(timer);
}
