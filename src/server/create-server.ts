import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo, Socket as NetSocket } from 'node:net';
import { Server } from 'socket.io';
import { LIMITS } from '../protocol/limits.ts';
import { attachCore } from './attach.ts';
import { createIdentify, type Authenticate } from './auth.ts';
import type { CommunicationConfig } from './config.ts';
import { consoleLogger } from './console-logger.ts';
import { coreOf, type Core, type CoreOptions } from './core.ts';
import { httpApp, type Fetch } from './http/http-app.ts';
import { isLoopback, originPolicy, type OriginPolicy } from './http/origins.ts';
import { restAnswers } from './rest/answer.ts';
import { shutdown, type Line } from './shutdown.ts';
import { CommunicationStore } from './store/ephemera/memory.ts';
import { openDatabase, type OwnDatabase } from './store/open.ts';

/** What {@link createCommServer} serves, and to whom. */
export interface CommServerOptions extends Omit<CoreOptions, 'store'> {
  /** 0 takes a free one. @defaultValue 3000 */
  port?: number | undefined;
  /** @defaultValue '127.0.0.1' */
  host?: string | undefined;
  /** A file, or `:memory:`. Not looked at where there is a `db`. @defaultValue './comm.sqlite' */
  database?: string | undefined;
  /**
   * Who somebody is, such as `jwtAuth`. Without it the server is in development mode and believes user ids as they
   * come: on a loopback address, outside `NODE_ENV=production`, or where `trustUserIdHeader` says so.
   */
  auth?: Authenticate | undefined;
  /**
   * Believe the header `x-user-id` and the query `userId`: only behind a proxy that sets them itself. @defaultValue
   * false
   */
  trustUserIdHeader?: boolean | undefined;
  /** Pages from elsewhere that are let in, such as `https://app.example.com`. */
  origin?: string | readonly string[] | undefined;
  /** Answers what isn't ours: an app's own pages and routes. @defaultValue 404 */
  fetch?: Fetch | undefined;
  config?: CommunicationConfig | undefined;
  /** How long `close()` waits for what runs to be answered. @defaultValue 5_000 */
  drainTimeoutMs?: number | undefined;
}

/** A running server. */
export interface CommServer {
  /** Such as `http://127.0.0.1:3000`. */
  readonly url: string;
  readonly port: number;
  /**
   * Takes no more requests, answers those that run, sends clients away so that they come back, closes the database it
   * opened. Twice is once; it ends within seconds whatever hangs.
   */
  close(): Promise<void>;
  /** As {@link CommServer.close}. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Past {@link LIMITS.bodyBytes} a request is refused with an answer; past this the connection is cut before anything is
 * read, and no answer is possible.
 */
const MAX_FRAME_BYTES = 12 * LIMITS.bodyBytes;

/**
 * The whole server in one call: HTTP, sockets, REST, health.
 *
 * @throws TypeError for options that can't work; rejects with Node's own error where the port is taken, and with
 * `UNAVAILABLE` where the database can't be used
 */
export async function createCommServer(options: CommServerOptions = {}): Promise<CommServer> {
  const { port = 3000, host = '127.0.0.1', logger = consoleLogger } = options;
  const trust = trustOf(options, host);
  const warning = TRUST_WARNINGS[trust];
  if (warning !== undefined) logger.warn(warning, { host });
  const origins = originPolicy({ origins: listOf(options.origin), development: trust === 'development' });
  const own = options.db === undefined ? openDatabase(databasePath(options.database)) : undefined;
  const core = coreOf({ ...options, db: own ?? options.db, logger, store: new CommunicationStore(options.clock) });
  try {
    return await start({ ...options, port, host }, { core, trust, origins, own });
  } catch (error) {
    // A database that was brought along may have other users.
    if (own !== undefined) core.close();
    own?.close();
    throw error;
  }
}

interface Parts {
  core: Core;
  trust: Trust;
  origins: OriginPolicy;
  own: OwnDatabase | undefined;
}

async function start(
  options: CommServerOptions & { port: number; host: string },
  { core, trust, origins, own }: Parts,
): Promise<CommServer> {
  const { host, drainTimeoutMs = 5_000 } = options;
  await core.ready();
  const auth = { authenticate: options.auth, trustUserIdHeader: trust !== 'tokens' };
  const rest = restAnswers(core, createIdentify(auth, core.logger));
  const http = createServer(
    { headersTimeout: 10_000, requestTimeout: 30_000, keepAliveTimeout: 65_000, maxHeaderSize: 16_384 },
    httpApp({ core, rest, origins, fallback: options.fetch }),
  );
  const sockets = trackSockets(http);
  const io = createSockets(http, core.config.path, origins);
  const lines = trackLines(io);
  attachCore(io, core, auth);
  const port = await listen(http, options.port, host);
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> =>
    (closing ??= shutdown({ core, http, io, sockets, lines, drainTimeoutMs }).finally(() => own?.close()));
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
  return { url, port, close, [Symbol.asyncDispose]: close };
}

type Trust = 'tokens' | 'user-ids' | 'development';

/** What is believed of who somebody is. @throws TypeError where that would let anybody be anybody */
function trustOf({ auth, trustUserIdHeader = false }: CommServerOptions, host: string): Trust {
  if (auth !== undefined) return 'tokens';
  if (trustUserIdHeader) return 'user-ids';
  const fix =
    'configure JWTs, or trust user ids explicitly (trustUserIdHeader, --trust-user-id) behind a proxy that sets them';
  if (process.env['NODE_ENV'] === 'production') {
    throw new TypeError(`Without authentication the server does not start with NODE_ENV=production: ${fix}`);
  }
  if (!isLoopback(host)) {
    throw new TypeError(`Without authentication the server does not start on ${host}, which others can reach: ${fix}`);
  }
  return 'development';
}

const TRUST_WARNINGS: Readonly<Record<Trust, string | undefined>> = {
  tokens: undefined,
  'user-ids': 'user ids are believed as they come: only a proxy that sets them may reach this server',
  development: 'development mode: whoever connects is believed to be who they say',
};

function createSockets(http: HttpServer, path: string, origins: OriginPolicy): Server {
  return new Server(http, {
    path,
    serveClient: false,
    maxHttpBufferSize: MAX_FRAME_BYTES,
    pingInterval: 25_000,
    pingTimeout: 20_000,
    // Whoever connects and never says to which namespace holds memory for nothing.
    connectTimeout: 10_000,
    // Costs more memory per connection than short messages save.
    perMessageDeflate: false,
    cors: { origin: (origin, callback) => callback(null, origin !== undefined && origins.lists(origin)) },
    allowRequest({ headers }, callback) {
      callback(null, origins.admits(headers.origin, headers.host));
    },
  });
}

function trackSockets(http: HttpServer): ReadonlySet<NetSocket> {
  const sockets = new Set<NetSocket>();
  http.on('connection', (socket: NetSocket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  return sockets;
}

function trackLines(io: Server): ReadonlySet<Line> {
  const lines = new Set<Line>();
  io.engine.on('connection', (line: Line) => {
    lines.add(line);
    line.once('close', () => lines.delete(line));
  });
  return lines;
}

async function listen(http: HttpServer, port: number, host: string): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    http.once('error', reject);
    http.listen(port, host, () => {
      http.off('error', reject);
      resolve();
    });
  });
  return (http.address() as AddressInfo).port;
}

function databasePath(database = './comm.sqlite'): string {
  if (/^\w{2,}:\/\//.test(database)) throw new TypeError('Only SQLite is available yet: give a file or :memory:');
  return database;
}

function listOf(origin: string | readonly string[] | undefined): readonly string[] {
  if (origin === undefined) return [];
  return typeof origin === 'string' ? [origin] : origin;
}
