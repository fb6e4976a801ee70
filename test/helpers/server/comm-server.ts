import { silentLogger } from '../../../src/lib/logger.ts';
import {
  createCommServer,
  type CommServer,
  type CommServerOptions,
  type ServerLimits,
} from '../../../src/server/index.ts';
import { newPostgres } from '../postgres/test-database.ts';
import { connectClient, type CheckedClient, type CheckedClientOptions } from './checked-client.ts';

export interface TestServer extends AsyncDisposable {
  readonly server: CommServer;
  readonly url: string;
  connect(userId: string, options?: CheckedClientOptions): Promise<CheckedClient>;
  /** A client that knows part 1 of the protocol and nothing more. */
  connectBase(userId: string): Promise<CheckedClient>;
  rest(path: string, userId: string, init?: RequestInit): Promise<Response>;
}

const MUCH = { burst: 1_000_000, perSecond: 1_000_000 };

/** Budgets and times that no test exceeds by accident. Tests of budgets set their own; those of attacks run with the defaults. */
export const LARGE_BUDGETS: Partial<ServerLimits> = {
  requests: MUCH,
  requestBytes: { burst: 1_000 * MUCH.burst, perSecond: MUCH.perSecond },
  messages: MUCH,
  conversationsCreated: MUCH,
  callsPerCaller: MUCH,
  callsPerPair: MUCH,
  searches: MUCH,
  // A process that stalls for a quarter of a second would refuse its next search.
  searchDeadlineMs: 60_000,
};

/** Command-line options that give a server process {@link LARGE_BUDGETS}. */
export const LARGE_BUDGETS_ARGS: readonly string[] = ['--limits', JSON.stringify(LARGE_BUDGETS)];

/** A real server on a free port of the loopback address, in memory unless told otherwise. */
export async function startServer(options: CommServerOptions = {}): Promise<TestServer> {
  const limits = options.limits === false ? false : { ...LARGE_BUDGETS, ...options.limits };
  const isChosen = options.db !== undefined || options.database !== undefined;
  const db = isChosen ? undefined : await newPostgres();
  const database = db === undefined ? { database: ':memory:' } : { db };
  const server = await createCommServer({ port: 0, logger: silentLogger, ...database, ...options, limits });
  const { url } = server;
  const clients: CheckedClient[] = [];
  const connect = async (userId: string, more: CheckedClientOptions = {}): Promise<CheckedClient> => {
    const client = await connectClient(url, { userId, ...more });
    clients.push(client);
    return client;
  };
  return {
    server,
    url,
    connect,
    connectBase: (userId) => connect(userId, { caps: null }),
    rest(path, userId, init = {}) {
      const headers = new Headers(init.headers);
      headers.set('content-type', 'application/json');
      headers.set('x-user-id', userId);
      return fetch(`${url}/__nk_comm${path}`, { ...init, headers });
    },
    async [Symbol.asyncDispose]() {
      // The server must end whatever happens; what a client has found wrong is told after that.
      await server.close();
      for (const client of clients) client.close();
    },
  };
}
