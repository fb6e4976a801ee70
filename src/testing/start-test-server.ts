import { silentLogger } from '../lib/logger.ts';
import type { Conversation } from '../protocol/conversations.ts';
import { createCommServer, type CommServer, type CommServerOptions } from '../server/create-server.ts';
import { connectUser, type TestUser } from './test-user.ts';

export interface TestServerOptions extends CommServerOptions {
  /** A file, to be able to start again on it. @defaultValue in memory */
  database?: string | undefined;
  /** @defaultValue a free one */
  port?: number | undefined;
  /** Who somebody is, such as `jwtAuth()` of `lumen-comm/server`. @defaultValue whoever they say */
  auth?: CommServerOptions['auth'];
}

export interface NewConversation {
  /** The first of them creates it. */
  between: readonly [creator: string, ...others: string[]];
  /** @defaultValue `direct` for two, `group` for more */
  type?: 'direct' | 'group' | undefined;
  name?: string | undefined;
}

export interface TestServer extends AsyncDisposable {
  /** What `CommClient` takes as `url`. */
  readonly url: string;
  readonly port: number;
  readonly server: CommServer;
  /** Connects as this user. With an `auth` option it takes a token. */
  user(userId: string, token?: string): Promise<TestUser>;
  conversation(wanted: NewConversation): Promise<Conversation>;
  /** Ends the users it connected, then the server, which answers what runs. Twice is once. */
  close(): Promise<void>;
}

/**
 * The real server in this process, in memory, on a free port of 127.0.0.1. Whoever connects is who they say, unless
 * `auth` is given.
 *
 * @example
 * await using server = await startTestServer();
 * const { id } = await server.conversation({ between: ['ann', 'bob'] });
 * const client = new CommClient({ url: server.url, userId: 'ann' });
 */
export async function startTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  const server = await createCommServer({ port: 0, database: ':memory:', logger: silentLogger, ...options });
  const users = new Set<TestUser>();
  const connect = async (userId: string, token?: string): Promise<TestUser> => {
    const { namespace, path } = options.config ?? {};
    const user = await connectUser({ url: server.url, userId, token, namespace, path });
    users.add(user);
    return user;
  };
  const close = async (): Promise<void> => {
    for (const user of users) user.close();
    await server.close();
  };
  return {
    url: server.url,
    port: server.port,
    server,
    user: connect,
    async conversation({ between: [creator, ...others], type = others.length > 1 ? 'group' : 'direct', name }) {
      const user = await connect(creator);
      try {
        const payload = { type, participantIds: others, ...(name !== undefined && { name }) };
        return await user.request('conversation:create', payload);
      } finally {
        user.close();
      }
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
