import { silentLogger } from '../../../src/lib/logger.ts';
import { createCommServer, type CommServer, type CommServerOptions } from '../../../src/server/index.ts';
import { connectClient, type CheckedClient, type CheckedClientOptions } from './checked-client.ts';

export interface TestServer extends AsyncDisposable {
  readonly server: CommServer;
  readonly url: string;
  connect(userId: string, options?: CheckedClientOptions): Promise<CheckedClient>;
  /** A client that knows part 1 of the protocol and nothing more. */
  connectBase(userId: string): Promise<CheckedClient>;
  rest(path: string, userId: string, init?: RequestInit): Promise<Response>;
}

/** A real server on a free port of the loopback address, in memory unless told otherwise. */
export async function startServer(options: CommServerOptions = {}): Promise<TestServer> {
  const server = await createCommServer({ port: 0, database: ':memory:', logger: silentLogger, ...options });
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
