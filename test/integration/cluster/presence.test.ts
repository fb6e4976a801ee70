import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { PresenceStatus } from '../../../src/protocol/constants.ts';
import { eventually } from '../../helpers/eventually.ts';
import { IMPATIENT, startCluster, type Cluster, type ClusterProcess } from '../../helpers/redis/cluster.ts';
import type { CheckedClient } from '../../helpers/server/checked-client.ts';

const config = { presenceGraceMs: 50 };
let cluster: Cluster;

beforeEach(async () => {
  cluster = await startCluster();
});

afterEach(async () => {
  await cluster[Symbol.asyncDispose]();
});

const start = (): Promise<ClusterProcess> => cluster.start({ config });
const startImpatient = (): Promise<ClusterProcess> => cluster.start({ config, ...IMPATIENT });

/** Connects a device. When it resolves, every process knows that the user is online. */
async function connect({ server }: ClusterProcess, userId: string): Promise<CheckedClient> {
  const client = await server.connect(userId);
  await client.ask('presence:watch', { userIds: [userId] });
  return client;
}

/** Creates a conversation between users, so that they may see each other. */
async function meet(by: CheckedClient, ...participantIds: string[]): Promise<string> {
  const { id } = await by.ask('conversation:create', { type: 'group', name: 'team', participantIds });
  return id;
}

/** Watches users; returns their statuses. */
async function watch(client: CheckedClient, ...userIds: string[]): Promise<(PresenceStatus | undefined)[]> {
  const presence = await client.ask('presence:watch', { userIds });
  return userIds.map((userId) => presence.find((each) => each.userId === userId)?.status);
}

/** The statuses of a user that were pushed to a client, in order. */
function told(client: CheckedClient, userId: string): PresenceStatus[] {
  return client
    .payloads('presence:changed')
    .filter((each) => each.userId === userId)
    .map(({ status }) => status);
}

const status = (userId: string, wanted: PresenceStatus) => (data: { userId: string; status: PresenceStatus }) =>
  data.userId === userId && data.status === wanted;

describe('devices on several processes', () => {
  test('a user is online while a device is connected to any process', async () => {
    const [a, b, c] = [await start(), await start(), await start()];
    const ana = await connect(c, 'ana');
    await meet(ana, 'ben');
    const phone = await connect(a, 'ben');
    const laptop = await connect(b, 'ben');
    expect(await watch(ana, 'ben')).toEqual(['online']);
    phone.close();
    const again = await connect(a, 'ben');
    laptop.close();
    await again.ask('presence:update', { status: 'away', chosen: false });
    await ana.next('presence:changed', status('ben', 'away'));
    again.close();
    await ana.next('presence:changed', status('ben', 'offline'));
    expect(told(ana, 'ben')).toEqual(['away', 'offline']);
  });

  test('the most available device counts, on whichever process it is', async () => {
    const [a, b, c] = [await start(), await start(), await start()];
    const ana = await connect(c, 'ana');
    await meet(ana, 'ben');
    const [phone, laptop] = [await connect(a, 'ben'), await connect(b, 'ben')];
    await watch(ana, 'ben');
    await phone.ask('presence:update', { status: 'away', chosen: false });
    await laptop.ask('presence:update', { status: 'busy', chosen: false });
    await ana.next('presence:changed', status('ben', 'busy'));
    await phone.ask('presence:update', { status: 'online', chosen: false });
    await ana.next('presence:changed', status('ben', 'online'));
    await laptop.next('presence:changed', status('ben', 'online'));
    expect(told(ana, 'ben')).toEqual(['busy', 'online']);
    expect(told(laptop, 'ben')).toEqual(['busy', 'online']);
  });

  test('a status chosen on one process holds for devices on the others', async () => {
    const [a, b] = [await start(), await start()];
    const ana = await connect(a, 'ana');
    await meet(ana, 'ben');
    const [phone, laptop] = [await connect(a, 'ben'), await connect(b, 'ben')];
    await watch(ana, 'ben');
    await laptop.ask('presence:update', { status: 'busy' });
    await ana.next('presence:changed', status('ben', 'busy'));
    expect(await phone.ask('presence:update', { status: 'away', chosen: false })).toMatchObject({ status: 'busy' });
    laptop.close();
    await phone.ask('presence:update', { status: 'online' });
    await ana.next('presence:changed', status('ben', 'online'));
    expect(told(ana, 'ben')).toEqual(['busy', 'online']);
  });

  test('participants have the presence of devices on other processes', async () => {
    const [a, b] = [await start(), await start()];
    const ana = await connect(a, 'ana');
    const id = await meet(ana, 'ben');
    await connect(b, 'ben');
    const response = await a.server.rest('/conversations', 'ana');
    const [conversation] = (await response.json()) as {
      id: string;
      participants: { userId: string; presence: string }[];
    }[];
    expect(conversation?.id).toBe(id);
    expect(conversation?.participants.find(({ userId }) => userId === 'ben')?.presence).toBe('online');
  });
});

describe('faults', () => {
  test('the users of a process that ends without a word go offline, and were last seen then', async () => {
    const [a, b, c] = [await startImpatient(), await startImpatient(), await startImpatient()];
    const ana = await connect(b, 'ana');
    await meet(ana, 'ben', 'cleo');
    await connect(a, 'ben');
    await connect(a, 'cleo');
    await connect(c, 'cleo');
    expect(await watch(ana, 'ben', 'cleo')).toEqual(['online', 'online']);
    a.line.kill();
    await ana.next('presence:changed', status('ben', 'offline'));
    expect(told(ana, 'ben')).toEqual(['offline']);
    expect(await watch(ana, 'ben', 'cleo')).toEqual(['offline', 'online']);
    await eventually(async () => {
      const [ben] = await ana.ask('presence:watch', { userIds: ['ben'] });
      expect(ben?.lastSeen).toBeDefined();
    });
    expect(told(ana, 'cleo')).toEqual([]);
  });

  test('a process that was only cut off sets its users again', async () => {
    const [a, b] = [await startImpatient(), await startImpatient()];
    const ana = await connect(b, 'ana');
    await meet(ana, 'ben');
    await connect(a, 'ben');
    await watch(ana, 'ben');
    a.line.kill();
    await ana.next('presence:changed', status('ben', 'offline'));
    await eventually(() => expect(a.bus.connected).toBe(false));
    a.line.heal();
    await eventually(() => expect(a.bus.connected).toBe(true));
    await connect(a, 'ben');
    await ana.next('presence:changed', status('ben', 'online'));
  });

  test('after Redis was restarted empty, each process sets its own again', async () => {
    const [a, b] = [await cluster.start(), await cluster.start()];
    const ana = await connect(a, 'ana');
    await meet(ana, 'ben');
    await connect(b, 'ben');
    await cluster.redis.stop();
    await eventually(() => expect([a.bus.connected, b.bus.connected]).toEqual([false, false]));
    await cluster.redis.start();
    await eventually(() => expect([a.bus.connected, b.bus.connected]).toEqual([true, true]));
    await ana.next('comm:resync');
    await eventually(async () => expect(await watch(ana, 'ben')).toEqual(['online']));
    expect(told(ana, 'ben')).toEqual([]);
  });

  test('what Redis forgets without ending is set again with a heartbeat', async () => {
    const [a, b] = [await start(), await start()];
    const ana = await connect(a, 'ana');
    await meet(ana, 'ben');
    await connect(b, 'ben');
    expect(await watch(ana, 'ben')).toEqual(['online']);
    await a.bus.command(['FLUSHALL']);
    await eventually(async () => expect(await watch(ana, 'ben')).toEqual(['online']));
    expect(await a.bus.command(['EXISTS', 'lumen-comm:user:ben'])).toBe(1);
  });

  test('without Redis, a device that leaves does not show a user offline who is on another process', async () => {
    const patient = { config, busHeartbeatMs: IMPATIENT.busHeartbeatMs };
    const [a, b] = [await cluster.start(patient), await cluster.start(patient)];
    const ana = await connect(a, 'ana');
    await meet(ana, 'ben', 'cleo');
    const [phone] = [await connect(a, 'ben'), await connect(b, 'ben')];
    const cleo = await connect(a, 'cleo');
    expect(await watch(ana, 'ben', 'cleo')).toEqual(['online', 'online']);
    await phone.ask('presence:update', { status: 'online', chosen: false });
    a.line.kill();
    await eventually(() => expect(a.bus.connected).toBe(false));
    phone.close();
    cleo.close();
    await ana.next('presence:changed', status('cleo', 'offline'));
    expect(told(ana, 'ben')).toEqual([]);
    const elsewhere = await connect(b, 'ana');
    expect(await watch(elsewhere, 'ben', 'cleo')).toEqual(['online', 'online']);
    a.line.heal();
    await elsewhere.next('presence:changed', status('cleo', 'offline'));
    expect(told(elsewhere, 'ben')).toEqual([]);
  });

  test('the users of a process that is closed go offline unless they connect elsewhere', async () => {
    const [a, b] = [await cluster.start(), await start()];
    const ana = await connect(b, 'ana');
    await meet(ana, 'ben', 'cleo');
    await connect(a, 'ben');
    await connect(a, 'cleo');
    await watch(ana, 'ben', 'cleo');
    await a[Symbol.asyncDispose]();
    await connect(b, 'cleo');
    await ana.next('presence:changed', status('ben', 'offline'));
    expect(told(ana, 'cleo')).toEqual([]);
  });
});

describe('who may see it', () => {
  test('a block hides presence from sockets on other processes at once, and lifting it shows it again', async () => {
    const [a, b] = [await start(), await start()];
    const ana = await connect(a, 'ana');
    const id = await meet(ana, 'ben');
    const ben = await connect(b, 'ben');
    await watch(ben, 'ana');
    await watch(ana, 'ben');
    await ben.ask('typing:start', { conversationId: id });
    await ana.next('typing:update');
    await ana.ask('user:block', { userId: 'ben', blocked: true });
    await ben.next('presence:changed', status('ana', 'offline'));
    expect((await ana.next('typing:update')).isTyping).toBe(false);
    await ana.ask('presence:update', { status: 'busy', chosen: false });
    await ana.ask('user:block', { userId: 'ben', blocked: false });
    await ben.next('presence:changed', status('ana', 'busy'));
    expect(told(ben, 'ana')).toEqual(['offline', 'busy']);
  });

  test('a user who loses the last shared conversation is watched on no process any more', async () => {
    const [a, b] = [await start(), await start()];
    const ana = await connect(a, 'ana');
    const id = await meet(ana, 'ben', 'cleo');
    const [ben, cleo] = [await connect(b, 'ben'), await connect(a, 'cleo')];
    await watch(ben, 'cleo');
    await ana.ask('conversation:remove-participant', { conversationId: id, userId: 'cleo' });
    await eventually(async () => {
      // Cleo's status changes again and again: some time Ben is told nothing of it.
      const before = told(ben, 'cleo').length;
      for (const next of ['busy', 'online'] as const) await cleo.ask('presence:update', { status: next });
      await b.bus.command(['PING']);
      await ben.settled();
      expect(told(ben, 'cleo')).toHaveLength(before);
    });
  });

  test('a user who is disconnected by the app is disconnected from every process', async () => {
    const [a, b] = [await start(), await start()];
    const [phone, laptop] = [await connect(a, 'ben'), await connect(b, 'ben')];
    a.server.server.api.disconnectUser('ben');
    expect(await Promise.all([phone.disconnected(), laptop.disconnected()])).toHaveLength(2);
  });
});

describe('base clients', () => {
  test('see the presence of users on other processes', async () => {
    const [a, b] = [await start(), await start()];
    const ana = await a.server.connectBase('ana');
    const ben = await connect(b, 'ben');
    const id = await meet(ben, 'ana');
    await ana.ask('conversation:join', { conversationId: id });
    await ben.ask('presence:update', { status: 'busy', chosen: false });
    await ana.next('presence:changed', status('ben', 'busy'));
  });

  test('count as having received what is pushed to them by another process', async () => {
    const [a, b] = [await start(), await start()];
    const ana = await a.server.connectBase('ana');
    const ben = await connect(b, 'ben');
    const { id: conversationId } = await ben.ask('conversation:create', { type: 'direct', participantIds: ['ana'] });
    await ana.ask('conversation:join', { conversationId });
    const { id } = await ben.ask('message:send', { conversationId, content: 'hello', type: 'text' });
    await ana.next('message:new', (message) => message.id === id);
    await ben.next('message:status', ({ messageId, status: reached }) => messageId === id && reached === 'delivered');
  });
});
