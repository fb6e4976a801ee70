import { afterEach, beforeEach, expect, test } from 'vitest';
import { eventually } from '../../helpers/eventually.ts';
import {
  startCluster,
  type Cluster,
  type ClusterProcess,
  type ClusterProcessOptions,
} from '../../helpers/redis/cluster.ts';
import type { CheckedClient } from '../../helpers/server/checked-client.ts';

let cluster: Cluster;

beforeEach(async () => {
  cluster = await startCluster();
});

afterEach(async () => {
  await cluster[Symbol.asyncDispose]();
});

/** Starts two servers that know of each other. */
async function startTwo(limits: ClusterProcessOptions['limits']): Promise<[ClusterProcess, ClusterProcess]> {
  const options = limits === undefined ? {} : { limits };
  const both: [ClusterProcess, ClusterProcess] = [await cluster.start(options), await cluster.start(options)];
  await eventually(() => expect(both.map(({ ephemera }) => ephemera.processes)).toEqual([2, 2]));
  return both;
}

const group = (client: CheckedClient): Promise<unknown> =>
  client.ask('conversation:create', { type: 'group', name: 'team', participantIds: ['ben'] });

test('a user has one budget in all processes', async () => {
  const [a, b] = await startTwo({ conversationsCreated: { burst: 4, perSecond: 0.001 } });
  const [phone, laptop] = [await a.server.connect('ana'), await b.server.connect('ana')];
  for (let count = 0; count < 4; count += 1) await group(phone);
  // The process learns with the answer to its first report that nothing is left. Redis answers in order.
  await group(laptop);
  await b.ephemera.devicesElsewhere('ben');
  await expect(group(laptop)).rejects.toMatchObject({ code: 'RATE_LIMITED' });
  await group(await b.server.connect('ben'));
});

test('a user has one number of sockets in all processes', async () => {
  const [a, b] = await startTwo({ socketsPerUser: 3 });
  const devices = [await a.server.connect('ana'), await a.server.connect('ana'), await b.server.connect('ana')];
  // Each is counted once its user is known to be online.
  for (const device of devices) await device.ask('presence:watch', { userIds: ['ana'] });
  await expect(b.server.connect('ana')).rejects.toThrow('too many connections of this user');
  await expect(a.server.connect('ana')).rejects.toThrow('too many connections of this user');
  devices[0]?.close();
  await eventually(() => b.server.connect('ana'));
});

test('while Redis is away, each process grants its share of the sockets', async () => {
  const [a] = await startTwo({ socketsPerUser: 4 });
  await cluster.redis.stop();
  await eventually(() => expect(a.ephemera.connected).toBe(false));
  for (let count = 0; count < 2; count += 1) await a.server.connect('ana');
  await expect(a.server.connect('ana')).rejects.toThrow('too many connections of this user');
});

test('an address has one number of unidentified connections in all processes', async () => {
  const [a, b] = await startTwo({ connectionsPerAddress: 8, handshakeTimeoutMs: 60_000 });
  const open = async ({ server }: ClusterProcess): Promise<WebSocket> => {
    const socket = new WebSocket(`${server.url.replace('http', 'ws')}/__nk_socketio/?EIO=4&transport=websocket`);
    await new Promise<void>((resolve, reject) => {
      socket.addEventListener('message', () => resolve());
      socket.addEventListener('error', () => reject(new Error('refused')));
    });
    return socket;
  };
  const sockets = [];
  for (let count = 0; count < 6; count += 1) sockets.push(await open(a));
  sockets.push(await open(b));
  await eventually(() => expect(b.ephemera.countElsewhere('address:127.0.0.1')).toBe(6));
  sockets.push(await open(b));
  await expect(open(b)).rejects.toThrow('refused');
  for (const socket of sockets) socket.close();
});
