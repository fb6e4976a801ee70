import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo, Socket as NetSocket } from 'node:net';
import type { Server } from 'socket.io';
import { attachServerCore } from './sockets/attach.ts';
import { apiOf, type CommunicationApi } from './api/communication-api.ts';
import { createIdentify, type Authenticate } from './auth/authenticate.ts';
import { consoleLogger } from './console-logger.ts';
import { serverCoreFor, type ServerCore, type ServerCoreOptions } from './server-core.ts';
import { httpApp, type Fetch } from './http/http-app.ts';
import { limitRequestTime } from './http/request-timeout.ts';
import { isLoopback, originPolicy, type OriginPolicy } from './http/origins.ts';
import { createRestDispatcher } from './rest/dispatcher.ts';
import { createSocketServer } from './sockets/socket-server.ts';
import { shutdown, within, type EngineSocket } from './sockets/shutdown.ts';
import { CommunicationStore } from './cluster/memory-ephemera.ts';
import { openRedis, type SharedRedis } from './open-redis.ts';
import { defaultProcessName, namedLogger } from './process-name.ts';
import { postgresFailure } from './start-failure.ts';
import { connectionOf, type DatabaseSource } from './store/engine/database-source.ts';
import { isPostgresPool } from './store/engine/postgres-pool.ts';
import { openDatabase } from './store/engine/open.ts';
import { openPostgres } from './store/engine/postgres.ts';
import { isPostgresUrl } from './store/engine/postgres-url.ts';

/** Options of {@link createCommServer}. */
export interface CommServerOptions extends Omit<ServerCoreOptions, 'store'> {
  /** TCP port; 0 selects a free port. @defaultValue 3000 */
  port?: number | undefined;
  /** Address to listen on. @defaultValue '127.0.0.1' */
  host?: string | undefined;
  /**
   * Path of the SQLite file, `:memory:`, or the URL of a Postgres database, `postgres://…`. Ignored if `db` is given.
   * @defaultValue './comm.sqlite'
   */
  database?: string | undefined;
  /**
   * URL of Redis 7 or later, `redis://…`, through which any number of processes serve one Postgres database. Ignored if `bus` is
   * given. @defaultValue none: the process uses the database alone
   */
  redis?: string | undefined;
  /**
   * Authenticates connections and requests, for example {@link jwtAuth}. Without it the server runs in development mode
   * and accepts user ids unverified. Development mode requires a loopback address and is refused with
   * `NODE_ENV=production`, unless `trustUserIdHeader` is set.
   */
  auth?: Authenticate | undefined;
  /**
   * Accepts the header `x-user-id` unverified. Use it only behind a proxy that sets it itself. The server then answers
   * only to loopback host names, to `host` and to the hosts of `origin`, because a page of another site could resolve its
   * own name to the server's address and send the header.
   *
   * @defaultValue false
   */
  trustUserIdHeader?: boolean | undefined;
  /**
   * Number of proxies in front of the server. The address of a peer is then read from `X-Forwarded-For`, to which each of
   * them must append the address of its peer.
   *
   * @defaultValue 0: the address of the TCP connection
   */
  trustProxy?: number | undefined;
  /** Origins other than the server's own whose pages may connect, such as `https://app.example.com`. */
  origin?: string | readonly string[] | undefined;
  /**
   * Handles requests that are not part of the protocol, such as an app's pages and routes. @defaultValue responds with
   * 404
   */
  fetch?: Fetch | undefined;
  /** Time in ms that `close()` waits for running requests. @defaultValue 5_000 */
  drainTimeoutMs?: number | undefined;
}

/** Time in ms in which Redis must have taken what was published last. */
const CLOSE_REDIS_MS = 1_000;

/** A running server. */
export interface CommServer {
  /** Base URL, such as `http://127.0.0.1:3000`. */
  readonly url: string;
  /** TCP port the server listens on. */
  readonly port: number;
  /** Operations of the app on the running server. */
  readonly api: CommunicationApi;
  /**
   * Stops accepting connections, completes running requests, disconnects the clients in a way that makes them
   * reconnect, and closes the database if the server opened it. Idempotent. Completes within `drainTimeoutMs` plus a
   * few seconds.
   */
  close(): Promise<void>;
  /** Same as {@link CommServer.close}. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Starts a complete server: HTTP, sockets, REST and health checks. Loads Socket.IO.
 *
 * @throws TypeError for invalid options; CommError `UNAVAILABLE` if the database or Redis can't be used; Node's own error if the
 * port is in use
 */
export async function createCommServer(options: CommServerOptions = {}): Promise<CommServer> {
  const { port = 3000, host = '127.0.0.1', logger = consoleLogger } = options;
  const trust = trustModeOf(options, host);
  const warning = TRUST_WARNINGS[trust];
  if (warning !== undefined) logger.warn(warning, { host });
  const origins = originPolicy({
    origins: listOf(options.origin),
    development: trust === 'development',
    ...(trust === 'user-ids' && { hosts: [host] }),
  });
  const ownedDatabase = options.db === undefined ? await openOwned(options.database) : undefined;
  const { processName = options.redis === undefined ? undefined : defaultProcessName() } = options;
  const db = ownedDatabase?.db ?? options.db;
  let redis: SharedRedis | undefined;
  let core: ServerCore | undefined;
  try {
    redis = await openShared({ ...options, logger: namedLogger(() => logger, processName) }, db);
    core = serverCoreFor({
      ...options,
      processName,
      db,
      bus: options.bus ?? redis?.bus,
      ephemera: options.ephemera ?? redis?.ephemera,
      logger,
      store: new CommunicationStore(options.clock),
    });
    return await start({ ...options, port, host }, { core, trust, origins, ownedDatabase, redis });
  } catch (error) {
    // A database that the app provided may have other users, unless they would need the bus that is closed now.
    if (ownedDatabase !== undefined || redis !== undefined) core?.close();
    await core?.store.release();
    await redis?.close();
    await ownedDatabase?.close();
    // Postgres is not used before.
    throw core === undefined || ownedDatabase?.url === undefined ? error : postgresFailure(error, ownedDatabase.url);
  }
}

/** Connects to Redis if the option says so. */
async function openShared(
  { redis, bus, logger, clock }: CommServerOptions,
  db: DatabaseSource | undefined,
): Promise<SharedRedis | undefined> {
  if (redis === undefined || bus !== undefined) return undefined;
  if (db === undefined || !isPostgresPool(connectionOf(db))) {
    throw new TypeError('redis requires a Postgres database, because processes can not share a SQLite file');
  }
  return await openRedis(redis, { logger, clock });
}

interface ServerParts {
  core: ServerCore;
  trust: TrustMode;
  origins: OriginPolicy;
  ownedDatabase: Owned | undefined;
  redis: SharedRedis | undefined;
}

async function start(
  options: CommServerOptions & { port: number; host: string },
  { core, trust, origins, ownedDatabase, redis }: ServerParts,
): Promise<CommServer> {
  const { host, trustProxy = 0, drainTimeoutMs = 5_000 } = options;
  await core.ready();
  core.services.files.start();
  if (trust === 'development') core.announcedName = core.name;
  const auth = {
    authenticate: options.auth,
    trustUserIdHeader: trust === 'user-ids',
    development: trust === 'development',
  };
  const rest = createRestDispatcher(core, createIdentify(auth, core.logger));
  const http = createServer(
    {
      headersTimeout: 10_000,
      // See limitRequestTime.
      requestTimeout: 0,
      connectionsCheckingInterval: 5_000,
      keepAliveTimeout: 65_000,
      maxHeaderSize: 16_384,
    },
    httpApp({ core, rest, origins, trustedProxies: trustProxy, fallback: options.fetch }),
  );
  // A long-polling client uses two connections.
  http.maxConnections = 2 * core.limits.connections;
  const sockets = trackSockets(http);
  const io = await createSocketServer(http, core.config.path, origins, core, trustProxy);
  const engineSockets = trackEngineSockets(io);
  attachServerCore(io, core, { ...auth, trustProxy }, true);
  limitRequestTime(http, { timeoutMs: 30_000, uploads: `${core.config.restPath}/uploads/` });
  const port = await listen(http, options.port, host);
  let closing: Promise<void> | undefined;
  const end = async (): Promise<void> => {
    try {
      await shutdown({ core, http, io, sockets, engineSockets, drainTimeoutMs });
    } finally {
      // What was published last still has to be sent.
      if (redis !== undefined) await within(CLOSE_REDIS_MS, redis.close());
      await ownedDatabase?.close();
    }
  };
  const close = (): Promise<void> => (closing ??= end());
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
  return { url, port, api: apiOf(core), close, [Symbol.asyncDispose]: close };
}

type TrustMode = 'tokens' | 'user-ids' | 'development';

/**
 * Determines which user ids are accepted.
 *
 * @throws TypeError if the options would accept unverified user ids on a public address or in production
 */
function trustModeOf({ auth, trustUserIdHeader = false }: CommServerOptions, host: string): TrustMode {
  if (auth !== undefined) return 'tokens';
  if (trustUserIdHeader) return 'user-ids';
  const fix = 'configure JWTs, or set trustUserIdHeader (--trust-user-id) behind a proxy that sets the user id';
  if (process.env['NODE_ENV'] === 'production') {
    throw new TypeError(`NODE_ENV=production requires authentication: ${fix}`);
  }
  if (!isLoopback(host)) {
    throw new TypeError(`Listening on ${host}, which is not a loopback address, requires authentication: ${fix}`);
  }
  return 'development';
}

const TRUST_WARNINGS: Readonly<Record<TrustMode, string | undefined>> = {
  tokens: undefined,
  'user-ids': 'user ids are accepted unverified: only a proxy that sets them may reach this server',
  development: 'development mode: user ids are accepted unverified',
};

function trackSockets(http: HttpServer): ReadonlySet<NetSocket> {
  const sockets = new Set<NetSocket>();
  http.on('connection', (socket: NetSocket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  return sockets;
}

function trackEngineSockets(io: Server): ReadonlySet<EngineSocket> {
  const engineSockets = new Set<EngineSocket>();
  io.engine.on('connection', (engineSocket: EngineSocket) => {
    engineSockets.add(engineSocket);
    engineSocket.once('close', () => engineSockets.delete(engineSocket));
  });
  return engineSockets;
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

interface Owned {
  readonly db: DatabaseSource;
  /** URL of a Postgres. */
  readonly url?: string;
  close(): Promise<void>;
}

async function openOwned(database = './comm.sqlite'): Promise<Owned> {
  if (isPostgresUrl(database)) {
    const pool = await openPostgres(database);
    return { db: pool, url: database, close: () => pool.end() };
  }
  if (/^\w{2,}:\/\//.test(database)) {
    throw new TypeError('database must be a SQLite file, :memory: or a URL that starts with postgres://');
  }
  const db = openDatabase(database);
  return {
    db,
    close: () => {
      db.close();
      return Promise.resolve();
    },
  };
}

function listOf(origin: string | readonly string[] | undefined): readonly string[] {
  if (origin === undefined) return [];
  return typeof origin === 'string' ? [origin] : origin;
}
