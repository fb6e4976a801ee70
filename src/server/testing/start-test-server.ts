import { silentLogger } from '../../lib/logger.ts';
import type { Conversation } from '../../protocol/conversations.ts';
import { createCommunicationApiHandlers } from '../api-handlers.ts';
import { createCommServer, type CommServer, type CommServerOptions } from '../create-server.ts';
import { openDatabase } from '../store/engine/open.ts';
import type { DatabaseSource } from '../store/engine/database-source.ts';

/** Options of {@link startTestServer}: those of `createCommServer`, with defaults for tests. */
export interface TestServerOptions extends CommServerOptions {
  /** Path of a SQLite file, for tests that restart the server. @defaultValue `':memory:'` */
  database?: string | undefined;
  /** @defaultValue `0`: a free port */
  port?: number | undefined;
  /** Authenticates users, such as `jwtAuth()`. @defaultValue none: the server accepts the user id that a client claims */
  auth?: CommServerOptions['auth'];
}

/** A conversation for {@link TestServer.conversation} to create. */
export interface NewConversation {
  /** User ids; the first one is the creator. */
  between: readonly [creator: string, ...others: string[]];
  /** @defaultValue `'direct'` for two users, `'group'` for more */
  type?: 'direct' | 'group' | undefined;
  /** Name of a group. */
  name?: string | undefined;
}

/** A running server that belongs to one test. */
export interface TestServer extends AsyncDisposable {
  /** Origin of the server; `CommClient` and `connectUser` of `lumen-comm/testing` take it as `url`. */
  readonly url: string;
  readonly port: number;
  readonly server: CommServer;
  /**
   * Creates a conversation as its creator would: connected participants receive `conversation:new`. Returns the existing
   * conversation if the two users of a direct one already have one.
   */
  conversation(wanted: NewConversation): Promise<Conversation>;
  /** Answers the requests in progress, disconnects all clients and closes the database. Idempotent. */
  close(): Promise<void>;
}

/**
 * Starts the real server in this process on a free port of 127.0.0.1, with an in-memory database and without logs.
 *
 * @example
 * await using server = await startTestServer();
 * const { id } = await server.conversation({ between: ['ann', 'bob'] });
 * const client = new CommClient({ url: server.url, userId: 'ann' });
 */
export async function startTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  const { db, closeDatabase } = databaseOf(options);
  const server = await createCommServer({ port: 0, logger: silentLogger, ...options, db }).catch((error: unknown) => {
    closeDatabase();
    throw error;
  });
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => (closing ??= server.close().finally(closeDatabase));
  return {
    url: server.url,
    port: server.port,
    server,
    conversation: ({ between, type = between.length > 2 ? 'group' : 'direct', name }) =>
      createCommunicationApiHandlers(db).createConversation({ type, participantIds: between, name }),
    close,
    [Symbol.asyncDispose]: close,
  };
}

function databaseOf({ db, database = ':memory:' }: TestServerOptions): {
  db: DatabaseSource;
  closeDatabase: () => void;
} {
  if (db !== undefined) return { db, closeDatabase: () => undefined };
  const own = openDatabase(database);
  return { db: own, closeDatabase: () => own.close() };
}
