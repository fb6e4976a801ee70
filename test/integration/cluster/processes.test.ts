import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { silentLogger } from '../../../src/lib/logger.ts';
import type { Bus } from '../../../src/server/cluster/bus.ts';
import { CommunicationStore } from '../../../src/server/cluster/memory-ephemera.ts';
import { MemoryBusHub } from '../../../src/server/cluster/memory-bus.ts';
import type { RedisBus } from '../../../src/server/cluster/redis-bus.ts';
import { serverCoreFor } from '../../../src/server/server-core.ts';
import { openDatabase } from '../../../src/server/store/engine/open.ts';
import { startFaultProxy } from '../../../src/server/testing/fault-proxy.ts';
import { eventually } from '../../helpers/eventually.ts';
import { redisBus } from '../../helpers/redis/recording-bus.ts';
import { startRedis, type RedisProcess } from '../../helpers/redis/redis-process.ts';
import { startServer, type TestServer } from '../../helpers/server/comm-server.ts';

/** Counts what a process is told by the bus. */
function counting(bus: Bus): { bus: Bus; received: () => number } {
  let received = 0;
  const listen: Bus['listen'] = (listener) =>
    bus.listen({
      ...listener,
      received(channel, payload) {
        received += 1;
        listener.received(channel, payload);
      },
    });
  const counted: Bus = {
    listen,
    publish: (channel, payload) => bus.publish(channel, payload),
    subscribe: (channel) => bus.subscribe(channel),
    unsubscribe: (channel) => bus.unsubscribe(channel),
    close: () => bus.close(),
    get connected() {
      return bus.connected;
    },
  };
  return { bus: counted, received: () => received };
}

interface Process extends AsyncDisposable {
  readonly server: TestServer;
  /** Number of messages that other processes have sent it. */
  received(): number;
}

let directory: string;
const running: AsyncDisposable[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'lumen-comm-cluster-'));
});

afterEach(async () => {
  for (const each of running.splice(0)) await each[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true, force: true });
});

/** Starts a server with a connection of its own to the database that all share. */
async function start(over: Bus): Promise<Process> {
  const db = openDatabase(join(directory, 'comm.sqlite'));
  const { bus, received } = counting(over);
  const core = serverCoreFor({ db, bus, logger: silentLogger, store: new CommunicationStore() });
  const server = await startServer({ db });
  const started: Process = {
    server,
    received,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await bus.close();
      core.close();
      db.close();
    },
  };
  running.push(started);
  return started;
}

function describeProcesses(connect: () => Promise<Bus>): void {
  test('a message reaches the members on every process once', async () => {
    const [a, b, c] = [await start(await connect()), await start(await connect()), await start(await connect())];
    const [ana, ben, cleo] = [
      await a.server.connect('ana'),
      await b.server.connect('ben'),
      await c.server.connect('cleo'),
    ];
    const { id: conversationId } = await ana.ask('conversation:create', {
      type: 'group',
      name: 'three processes',
      participantIds: ['ben', 'cleo'],
    });
    await Promise.all([ben.next('conversation:new'), cleo.next('conversation:new')]);
    for (const client of [ben, cleo]) await client.ask('conversation:join', { conversationId });
    for (const sender of [ana, ben, cleo]) {
      const { id } = await sender.ask('message:send', { conversationId, content: 'hello', type: 'text' });
      for (const client of [ana, ben, cleo]) await client.next('message:new', (message) => message.id === id);
    }
    for (const client of [ana, ben, cleo]) expect(client.payloads('message:new')).toHaveLength(3);
  });

  test('a process without members of a conversation is told nothing of it', async () => {
    const [a, b, idle] = [await start(await connect()), await start(await connect()), await start(await connect())];
    const [ana, ben] = [await a.server.connect('ana'), await b.server.connect('ben')];
    await idle.server.connect('stranger');
    const { id: conversationId } = await ana.ask('conversation:create', { type: 'direct', participantIds: ['ben'] });
    await ben.next('conversation:new');
    await ben.ask('conversation:join', { conversationId });
    await ana.ask('message:send', { conversationId, content: 'hello', type: 'text' });
    await ben.next('message:new');
    expect(b.received()).toBeGreaterThan(0);
    expect(idle.received()).toBe(0);
  });

  test('a removed member receives no message on another process', async () => {
    const [a, b] = [await start(await connect()), await start(await connect())];
    const [ana, ben, cleo] = [
      await a.server.connect('ana'),
      await b.server.connect('ben'),
      await b.server.connect('cleo'),
    ];
    const { id: conversationId } = await ana.ask('conversation:create', {
      type: 'group',
      name: 'team',
      participantIds: ['ben', 'cleo'],
    });
    await Promise.all([ben.next('conversation:new'), cleo.next('conversation:new')]);
    await cleo.ask('conversation:join', { conversationId });
    await ana.ask('conversation:remove-participant', { conversationId, userId: 'ben' });
    await ben.next('conversation:left');
    await ana.ask('message:send', { conversationId, content: 'without ben', type: 'text' });
    await cleo.next('message:new');
    expect(ben.payloads('message:new')).toEqual([]);
  });

  test('what is sent right after a user was added reaches the user on another process', async () => {
    const [a, b] = [await start(await connect()), await start(await connect())];
    const [ana, ben] = [await a.server.connect('ana'), await b.server.connect('ben')];
    const { id: conversationId } = await ana.ask('conversation:create', { type: 'direct', participantIds: ['ben'] });
    const { id } = await ana.ask('message:send', { conversationId, content: 'at once', type: 'text' });
    await ben.next('message:new', (message) => message.id === id);
  });

  test('typing is shown on other processes', async () => {
    const [a, b] = [await start(await connect()), await start(await connect())];
    const [ana, ben] = [await a.server.connect('ana'), await b.server.connect('ben')];
    const { id: conversationId } = await ana.ask('conversation:create', { type: 'direct', participantIds: ['ben'] });
    await ben.next('conversation:new');
    await ben.ask('conversation:join', { conversationId });
    await ana.ask('typing:start', { conversationId });
    expect(await ben.next('typing:update')).toEqual({ conversationId, userId: 'ana', isTyping: true });
  });

  test('devices of a user on two processes see what the other one does', async () => {
    const [a, b] = [await start(await connect()), await start(await connect())];
    const [phone, laptop] = [await a.server.connect('ana'), await b.server.connect('ana')];
    const { id } = await phone.ask('conversation:create', { type: 'direct', participantIds: ['ben'] });
    expect((await laptop.next('conversation:new')).id).toBe(id);
  });
}

describe('processes connected in memory', () => {
  let hub = new MemoryBusHub();
  afterEach(() => {
    hub = new MemoryBusHub();
  });
  describeProcesses(() => Promise.resolve(hub.connect()));
});

describe('processes connected by Redis', () => {
  let redis: RedisProcess;
  const connect = async (): Promise<RedisBus> => {
    const bus = redisBus(redis.url);
    await bus.open();
    return bus;
  };
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(async () => {
    await redis[Symbol.asyncDispose]();
  });
  describeProcesses(connect);

  test('without Redis each process serves its clients; clients that may have missed a push are told', async () => {
    const [one, other] = [await connect(), await connect()];
    const [a, b] = [await start(one), await start(other)];
    const [ana, ben] = [await a.server.connect('ana'), await b.server.connect('ben')];
    const { id: conversationId } = await ana.ask('conversation:create', { type: 'direct', participantIds: ['ben'] });
    await ben.next('conversation:new');
    await redis.stop();
    await eventually(() => expect([one.connected, other.connected]).toEqual([false, false]));
    const { id } = await ana.ask('message:send', { conversationId, content: 'while away', type: 'text' });
    await ana.next('message:new');
    await redis.start();
    await ben.next('comm:resync');
    const { conversations } = await ben.ask('sync', { cursors: { [conversationId]: 0 }, inboxRev: 0 });
    expect(conversations.flatMap(({ changes }) => changes.map((message) => message.id))).toContain(id);
  });

  test('a client is greeted while Redis does not answer, and is told that it may have missed a push', async () => {
    await using line = await startFaultProxy({ target: `http://127.0.0.1:${redis.port}`, seed: 1 });
    // The heartbeat doesn't end the connection in this test.
    const bus = redisBus(`redis://127.0.0.1:${new URL(line.url).port}`, { heartbeatMs: 600_000 });
    await bus.open();
    const silent = await start(bus);
    line.kill();
    const ada = await silent.server.connect('ada');
    expect(ada.payloads('comm:hello')).toHaveLength(1);
    line.heal();
    await ada.next('comm:resync');
    expect(ada.payloads('comm:hello')).toHaveLength(1);
  });

  test('without Redis, a member who was removed by another process receives no further message', async () => {
    const [one, other] = [await connect(), await connect()];
    const [a, b] = [await start(one), await start(other)];
    const [ana, ben, cleo] = [
      await a.server.connect('ana'),
      await b.server.connect('ben'),
      await b.server.connect('cleo'),
    ];
    const { id: conversationId } = await ana.ask('conversation:create', {
      type: 'group',
      name: 'team',
      participantIds: ['ben', 'cleo'],
    });
    await Promise.all([ben.next('conversation:new'), cleo.next('conversation:new')]);
    await cleo.ask('conversation:join', { conversationId });
    await redis.stop();
    await eventually(() => expect([one.connected, other.connected]).toEqual([false, false]));
    await ana.ask('conversation:remove-participant', { conversationId, userId: 'ben' });
    const { id } = await cleo.ask('message:send', { conversationId, content: 'without ben', type: 'text' });
    await cleo.next('message:new', (message) => message.id === id);
    await ben.settled();
    expect(ben.payloads('message:new')).toEqual([]);
    await redis.start();
  });
});
