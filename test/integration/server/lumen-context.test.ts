import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { DatabaseSync } from 'node:sqlite';
import { Server } from 'socket.io';
import { describe, expect, test } from 'vitest';
import { silentLogger, type Logger } from '../../../src/lib/logger.ts';
import {
  CommunicationStore,
  createCommunicationApiHandlers,
  createCommunicationHandler,
  createCommunicationRoutes,
  useCommunicationStore,
} from '../../../src/server/index.ts';
import { REQUEST_SCHEMAS } from '../../../src/protocol/event-schemas.ts';
import { CAPABILITIES } from '../../../src/protocol/constants.ts';
import { eventually } from '../../helpers/eventually.ts';
import { manualClock } from '../../helpers/manual-clock.ts';
import { connectClient } from '../../helpers/server/checked-client.ts';
import { keyBundle } from '../../helpers/server/keys.ts';
import { type BareContext, LumenBus } from '../../helpers/server/lumen-context.ts';

const quiet = () => ({ logger: silentLogger, store: new CommunicationStore() });

describe('a context without a Socket.IO socket', () => {
  test('listeners are registered before the call returns', () => {
    const context = new LumenBus().context('s1', { query: { userId: 'alice' } });
    createCommunicationHandler(quiet())(context);
    expect(context.listens.toSorted()).toEqual(Object.keys(REQUEST_SCHEMAS).toSorted());
  });

  test('chat works in memory with the same rules', async () => {
    const bus = new LumenBus();
    const handle = createCommunicationHandler(quiet());
    const [alice, bob, mallory] = ['alice', 'bob', 'mallory'].map((userId) => {
      const context = bus.context(`socket of ${userId}`, { query: { userId } });
      handle(context);
      return context;
    });
    if (alice === undefined || bob === undefined || mallory === undefined) throw new Error('No clients');
    const created = await alice.ask('conversation:create', { type: 'direct', participantIds: ['bob'] });
    const conversationId = created.data?.id ?? '';
    expect(await bob.next('conversation:new')).toMatchObject({ id: conversationId });
    for (const each of [alice, bob]) await each.ask('conversation:join', { conversationId });
    alice.receive('message:send', { conversationId, content: 'Hi', type: 'text' });
    expect(await bob.next('message:new')).toMatchObject({ content: 'Hi', senderId: 'alice' });
    expect(alice.pushes.filter(({ event }) => event === 'message:new')).toHaveLength(1);
    expect(bob.pushes.filter(({ event }) => event === 'message:new')).toHaveLength(1);
    bob.receive('typing:start', { conversationId });
    expect(await alice.next('typing:update')).toMatchObject({ userId: 'bob', isTyping: true });
    expect(bob.pushes.map(({ event }) => event)).not.toContain('typing:update');
    expect(await mallory.ask('conversation:join', { conversationId })).toMatchObject({ error: { code: 'NOT_FOUND' } });
  });

  test('a peer is greeted while the database is slow, and its requests are answered afterwards', async () => {
    const database = new DatabaseSync(':memory:');
    let isSlow = false;
    const waiting: (() => void)[] = [];
    const later = async <T>(task: () => T): Promise<T> => {
      if (isSlow) await new Promise<void>((resolve) => void waiting.push(resolve));
      return task();
    };
    const db = {
      all: (sql: string, ...parameters: never[]) => later(() => database.prepare(sql).all(...parameters)),
      get: (sql: string, ...parameters: never[]) => later(() => database.prepare(sql).get(...parameters)),
      run: (sql: string, ...parameters: never[]) => later(() => database.prepare(sql).run(...parameters)),
      exec: (sql: string) => later(() => database.exec(sql)),
    };
    const clock = manualClock();
    const handle = createCommunicationHandler({ ...quiet(), db, clock });
    const connect = (userId: string): BareContext => {
      const handshake = { query: { userId }, auth: { caps: CAPABILITIES } };
      const context = new LumenBus().context(`socket of ${userId}`, { socket: { id: userId, handshake } });
      handle(context);
      return context;
    };
    await connect('alice').next('comm:hello');
    isSlow = true;
    const bob = connect('bob');
    const answer = bob.ask('comm:ping', {});
    await eventually(() => {
      clock.advance(100);
      expect(bob.pushes).toMatchObject([{ event: 'comm:hello', data: { userId: 'bob' } }]);
    });
    isSlow = false;
    for (const resume of waiting) resume();
    expect(await answer).toMatchObject({ ok: true });
    expect(bob.pushes.filter(({ event }) => event === 'comm:hello')).toHaveLength(1);
    database.close();
  });

  test('a context without a user is logged and disconnected', async () => {
    const warnings: string[] = [];
    const logger: Logger = { ...silentLogger, warn: (message) => warnings.push(message) };
    const context = new LumenBus().context('s1');
    createCommunicationHandler({ ...quiet(), logger })(context);
    expect([context.disconnects, warnings]).toEqual([1, ['connection rejected']]);
    expect(context.pushes).toMatchObject([{ event: 'error', data: { code: 'UNAUTHENTICATED' } }]);
    expect(await context.ask('comm:ping', {})).toMatchObject({ error: { code: 'UNAUTHENTICATED' } });
  });

  test('a context closed while opening leaves no state', async () => {
    const store = new CommunicationStore();
    const context = new LumenBus().context('s1', { query: { userId: 'alice' } });
    const cleanup = createCommunicationHandler({ ...quiet(), store })(context);
    cleanup();
    cleanup();
    expect(await context.ask('comm:ping', {})).toMatchObject({ error: { code: 'UNAVAILABLE' } });
    expect(store.isUserOnline('alice')).toBe(false);
  });

  test('the store has a copy of published keys without those that were handed out', async () => {
    const store = new CommunicationStore();
    const bus = new LumenBus();
    const handle = createCommunicationHandler({ ...quiet(), store });
    const [alice, bob] = [
      bus.context('s1', { query: { userId: 'alice' } }),
      bus.context('s2', { query: { userId: 'bob' } }),
    ];
    for (const each of [alice, bob]) handle(each);
    await alice.ask('conversation:create', { type: 'direct', participantIds: ['bob'] });
    await bob.ask('encryption:upload-keys', keyBundle(2));
    expect(store.getKeyBundle('bob')).toMatchObject({ userId: 'bob' });
    expect(store.getOneTimePreKeyCount('bob')).toBe(2);
    alice.receive('encryption:request-keys', { recipientId: 'bob' });
    expect(await alice.next('encryption:keys-response')).toMatchObject({ oneTimePreKey: { keyId: 1 } });
    expect(store.getKeyBundle('bob')?.oneTimePreKeys).toMatchObject([{ keyId: 2 }]);
    expect(store.getOneTimePreKeyCount('bob')).toBe(1);
  });

  test('connections are registered in the given store, else in the shared one', async () => {
    const store = new CommunicationStore();
    const first = new LumenBus().context('s1', { query: { userId: 'a person of this test' } });
    const cleanup = createCommunicationHandler({ logger: silentLogger, store })(first);
    await first.ask('comm:ping', {});
    expect(store.isUserOnline('a person of this test')).toBe(true);
    expect(useCommunicationStore().isUserOnline('a person of this test')).toBe(false);
    cleanup();
    expect(store.isUserOnline('a person of this test')).toBe(false);
    const second = new LumenBus().context('s2', { user: { id: 'another person of this test' } });
    const end = createCommunicationHandler({ logger: silentLogger })(second);
    await second.ask('comm:ping', {});
    expect(useCommunicationStore().isUserOnline('another person of this test')).toBe(true);
    end();
  });
});

test('a failed preparation of the database is reported to the client and retried', async () => {
  const db = new DatabaseSync(':memory:');
  db.exec('CREATE TABLE comm_migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at TEXT)');
  db.exec("INSERT INTO comm_migrations VALUES (999, 'from the future', '')");
  const handle = createCommunicationHandler({ ...quiet(), db });
  const early = new LumenBus().context('s1', { query: { userId: 'alice' } });
  handle(early);
  expect(await early.ask('comm:ping', {})).toMatchObject({ error: { code: 'UNAVAILABLE' } });
  db.exec('DROP TABLE comm_migrations');
  const later = new LumenBus().context('s2', { query: { userId: 'alice' } });
  handle(later);
  expect(await later.ask('comm:ping', {})).toMatchObject({ ok: true });
});

test('handlers, API functions and routes with the same database share a server', async () => {
  const db = new DatabaseSync(':memory:');
  const handle = createCommunicationHandler({ ...quiet(), db });
  const alice = new LumenBus().context('s1', { query: { userId: 'alice' } });
  handle(alice);
  await alice.ask('comm:ping', {});
  const { id } = await createCommunicationApiHandlers(db).createConversation({
    type: 'direct',
    participantIds: ['bob', 'alice'],
  });
  expect(await alice.next('conversation:new')).toMatchObject({ id });
  const routes = createCommunicationRoutes({ db });
  const response = await routes(new Request('http://any/__nk_comm/conversations?userId=alice'));
  expect(await response.json()).toMatchObject([{ id }]);
});

test('the first configuration applies, whichever of them is created first', async () => {
  const db = new DatabaseSync(':memory:');
  createCommunicationApiHandlers(db);
  const handle = createCommunicationHandler({ ...quiet(), db, config: { maxMessageLength: 3 } });
  const alice = new LumenBus().context('s1', { query: { userId: 'alice' } });
  handle(alice);
  const { data } = await alice.ask('conversation:create', { type: 'group', participantIds: [] });
  const send = { conversationId: data?.id, content: 'Four', type: 'text' };
  expect(await alice.ask('message:send', send)).toMatchObject({ error: { code: 'MESSAGE_TOO_LONG' } });
});

test('a framework that attaches the handler late, on its own Socket.IO, is served', async () => {
  const http = createServer();
  const io = new Server(http, { path: '/__nk_socketio/' });
  const handle = createCommunicationHandler({ ...quiet(), db: new DatabaseSync(':memory:') });
  io.of('/nk/messages').on('connection', (socket) => {
    setImmediate(() => {
      const cleanup = handle({
        on: (event, handler) => void socket.on(`nk:${event}`, handler),
        push: (data) => void socket.emit('nk:data', data),
        room: {
          join: (name) => void socket.join(name),
          leave: (name) => void socket.leave(name),
          broadcast: (name, data) => void socket.to(name).emit('nk:data', data),
          broadcastAll: (name, data) => void socket.nsp.to(name).emit('nk:data', data),
        },
        params: {},
        headers: socket.handshake.headers,
        locale: 'en',
        socket,
      });
      socket.on('disconnect', cleanup);
    });
  });
  await new Promise<void>((resolve) => {
    http.listen(0, '127.0.0.1', resolve);
  });
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  try {
    using alice = await connectClient(url, { userId: 'alice' });
    using bob = await connectClient(url, { userId: 'bob' });
    const { id: conversationId } = await alice.ask('conversation:create', { type: 'direct', participantIds: ['bob'] });
    await alice.ask('message:send', { conversationId, content: 'Hi', type: 'text' });
    expect(await bob.next('message:new')).toMatchObject({ content: 'Hi' });
  } finally {
    await io.close();
  }
});
