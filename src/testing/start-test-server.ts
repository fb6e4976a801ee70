import { Emitter } from '../lib/emitter.ts';
import { silentLogger } from '../lib/logger.ts';
import { systemClock } from '../lib/clock.ts';
import type { Conversation } from '../protocol/conversations.ts';
import { CommError } from '../protocol/errors.ts';
import type { RequestName, RequestOf, ResponseOf } from '../protocol/events.ts';
import type { Message } from '../protocol/messages.ts';
import { CAPABILITIES, DEFAULT_NAMESPACE, DEFAULT_SOCKET_PATH } from '../protocol/vocabulary.ts';
import { createCommServer, type CommServer, type CommServerOptions } from '../server/create-server.ts';
import { socketIoPort } from '../transport/socket-io.ts';
import { Wire } from '../transport/wire.ts';

export interface TestServerOptions extends CommServerOptions {
  /** A file, to be able to start again on it. @defaultValue in memory */
  database?: string | undefined;
  /** @defaultValue a free one */
  port?: number | undefined;
}

/** Somebody for the other end of a chat: a bare connection, without outbox, views or reconnecting. */
export interface TestUser extends AsyncDisposable {
  readonly userId: string;
  /** Any request of the protocol. @throws CommError with the server's code */
  request<K extends RequestName>(name: K, payload: RequestOf<K>): Promise<ResponseOf<K>>;
  send(conversationId: string, content: string): Promise<Message>;
  /** Resolves with the first push of this name from now on. */
  next(event: string): Promise<unknown>;
  close(): void;
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
    const user = await connectUser(server.url, userId, token, options.config?.namespace, options.config?.path);
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

async function connectUser(
  url: string,
  userId: string,
  token: string | undefined,
  namespace = DEFAULT_NAMESPACE,
  path = DEFAULT_SOCKET_PATH,
): Promise<TestUser> {
  const port = socketIoPort({ url, namespace, path, transports: ['websocket'] });
  const wire = new Wire(port, systemClock, 10_000);
  const pushes = new Emitter<Record<string, unknown>>((error) => {
    throw error;
  });
  const greeted = new Promise<void>((resolve, reject) => {
    port.listen({
      connected: () => wire.opened(),
      disconnected: () => {
        wire.closed();
        reject(new CommError('DISCONNECTED', `${userId} was disconnected`));
      },
      refused: ({ message }) => reject(new CommError('UNAUTHENTICATED', message)),
      pushed: (frame) => {
        const { event, data } = frame as { event: string; data: unknown };
        if (event === 'comm:hello') resolve();
        pushes.emit(event, data);
      },
    });
  });
  const auth = { caps: CAPABILITIES, ...(token !== undefined && { token }) };
  port.connect({ auth, query: token === undefined ? { userId } : {} });
  await greeted;
  const close = (): void => {
    port.disconnect();
    wire.closed();
  };
  return {
    userId,
    request: (name, payload) => wire.request(name, payload),
    send: (conversationId, content) => wire.request('message:send', { conversationId, content, type: 'text' }),
    next: (event) =>
      new Promise((resolve) => {
        pushes.once(event, resolve);
      }),
    close,
    [Symbol.asyncDispose]() {
      close();
      return Promise.resolve();
    },
  };
}
