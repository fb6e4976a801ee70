import { createServer } from 'node:http';
import { DatabaseSync } from 'node:sqlite';
import type { AddressInfo } from 'node:net';
import { Server } from 'socket.io';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { silentLogger } from '../../../../src/lib/logger.ts';
import { deferred } from '../../../../src/lib/deferred.ts';
import { attachCommunication, createCommServer, type Authenticate } from '../../../../src/server/index.ts';
import { connectClient } from '../../../helpers/server/checked-client.ts';
import { connectDeafSocket } from '../../../helpers/server/non-reading-socket.ts';
import { startServer } from '../../../helpers/server/comm-server.ts';
import { temporaryDirectory } from '../../../helpers/temporary-directory.ts';

const quiet = { port: 0, database: ':memory:', logger: silentLogger };

afterEach(() => {
  vi.unstubAllEnvs();
});

describe('starting', () => {
  test("a port in use rejects with Node's error and closes the database", async () => {
    await using server = await startServer();
    await expect(createCommServer({ ...quiet, port: server.server.port })).rejects.toMatchObject({
      code: 'EADDRINUSE',
    });
  });

  test.each([
    ['0.0.0.0', 'development'],
    ['127.0.0.1', 'production'],
  ])("without authentication the server doesn't start on %s in %s", async (host, env) => {
    vi.stubEnv('NODE_ENV', env);
    await expect(createCommServer({ ...quiet, host })).rejects.toThrow(TypeError);
  });

  test('the URL of another kind of database is rejected', async () => {
    await expect(createCommServer({ ...quiet, database: 'mysql://localhost/chat' })).rejects.toThrow(TypeError);
  });

  test('a database of a newer version is left unchanged', async () => {
    const db = new DatabaseSync(':memory:');
    db.exec('CREATE TABLE comm_migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at TEXT)');
    db.exec("INSERT INTO comm_migrations VALUES (999, 'from the future', '')");
    await expect(createCommServer({ ...quiet, db })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(db.prepare("SELECT count(*) AS tables FROM sqlite_master WHERE name = 'messages'").get()).toEqual({
      tables: 0,
    });
  });
});

describe('shutting down', () => {
  /** The user `slow` is authenticated only when the gate opens. */
  function gated(): { auth: Authenticate; reached: Promise<void>; open: () => void } {
    const gate = deferred<undefined>();
    const reached = deferred<undefined>();
    const auth: Authenticate = async ({ query }) => {
      const userId = String(query['userId']);
      if (userId === 'slow') {
        reached.resolve(undefined);
        await gate.promise;
      }
      return { userId };
    };
    return { auth, reached: reached.promise, open: () => gate.resolve(undefined) };
  }

  test('running requests complete, then connections close so that clients reconnect', async () => {
    const { auth, reached, open } = gated();
    const server = await startServer({ auth });
    const alice = await server.connect('alice');
    const slow = fetch(`${server.url}/__nk_comm/conversations?userId=slow`);
    await reached;
    const closed = server.server.close();
    expect(await alice.refused('comm:ping', {})).toMatchObject({ code: 'UNAVAILABLE', retryAfterMs: 1_000 });
    open();
    expect((await slow).status).toBe(200);
    expect(await alice.disconnected()).toBe('transport close');
    await closed;
    alice.close();
  });

  test('close completes even if requests hang, and is idempotent', async () => {
    const { auth, reached } = gated();
    const server = await startServer({ auth, drainTimeoutMs: 20 });
    const stuck = fetch(`${server.url}/__nk_comm/conversations?userId=slow`).catch((error: unknown) => error);
    await reached;
    await Promise.all([server.server.close(), server.server.close()]);
    await server.server.close();
    expect(await stuck).toBeInstanceOf(Error);
    await expect(fetch(`${server.url}/healthz`)).rejects.toThrow('fetch failed');
  });

  test('acknowledged messages are in the file', async () => {
    await using directory = await temporaryDirectory();
    const database = `${directory.path}/comm.sqlite`;
    const first = await startServer({ database });
    const alice = await first.connect('alice');
    const { id: conversationId } = await alice.ask('conversation:create', { type: 'group', participantIds: [] });
    const { id } = await alice.ask('message:send', { conversationId, content: 'Keep this', type: 'text' });
    await first[Symbol.asyncDispose]();
    await using second = await startServer({ database });
    expect(await (await second.rest(`/messages/${id}`, 'alice')).json()).toMatchObject({ content: 'Keep this' });
  });

  test('a database that the app provided stays open', async () => {
    const db = new DatabaseSync(':memory:');
    const server = await startServer({ db });
    await server[Symbol.asyncDispose]();
    expect(db.prepare('SELECT count(*) AS messages FROM messages').get()).toEqual({ messages: 0 });
    await using again = await startServer({ db });
    await (await again.connect('alice')).settled();
  });
});

test('healthz and readyz report liveness and readiness', async () => {
  const db = new DatabaseSync(':memory:');
  await using server = await startServer({ db });
  expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
  db.close();
  expect((await fetch(`${server.url}/readyz`)).status).toBe(503);
  expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
});

test("a client that doesn't read is disconnected, and others aren't affected", async () => {
  const rate = { burst: 1e9, perSecond: 1e9 };
  const limits = { requests: rate, requestBytes: rate, messages: rate, messageBytesPerDay: 1e12 };
  await using server = await startServer({ config: { presenceGraceMs: 0 }, limits });
  const alice = await server.connect('alice');
  const { id: conversationId } = await alice.ask('conversation:create', { type: 'group', participantIds: ['deaf'] });
  await alice.ask('presence:watch', { userIds: ['deaf'] });
  const deaf = await connectDeafSocket(server.url, 'deaf');
  await alice.next('presence:changed', ({ userId, status }) => userId === 'deaf' && status === 'online');

  const message = { conversationId, content: 'x'.repeat(9_000), type: 'text' } as const;
  const gone = (): boolean => alice.payloads('presence:changed').some(({ status }) => status === 'offline');
  while (!gone()) await Promise.all(Array.from({ length: 100 }, () => alice.ask('message:send', message)));
  deaf.destroy();
});

test('the same applies to a Socket.IO server of the app', async () => {
  const http = createServer();
  const io = new Server(http, { path: '/__nk_socketio/' });
  attachCommunication(io, {
    db: new DatabaseSync(':memory:'),
    logger: silentLogger,
    namespaces: ['/nk/chat', /^\/nk\/page-\d$/],
  });
  await new Promise<void>((resolve) => {
    http.listen(0, '127.0.0.1', resolve);
  });
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  try {
    using alice = await connectClient(url, { userId: 'alice', namespace: '/nk/chat' });
    using bob = await connectClient(url, { userId: 'bob', namespace: '/nk/page-1', transports: ['polling'] });
    const { id: conversationId } = await alice.ask('conversation:create', { type: 'direct', participantIds: ['bob'] });
    await alice.ask('message:send', { conversationId, content: 'Across namespaces', type: 'text' });
    expect(await bob.next('message:new')).toMatchObject({ content: 'Across namespaces' });
  } finally {
    await io.close();
  }
});
