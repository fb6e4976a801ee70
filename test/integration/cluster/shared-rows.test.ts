import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { startChild } from '../../helpers/child-process.ts';
import { eventually } from '../../helpers/eventually.ts';
import { startPostgres, type PostgresProcess } from '../../helpers/postgres/postgres-process.ts';
import { startRedis, type RedisProcess } from '../../helpers/redis/redis-process.ts';
import { connectClient, type CheckedClient } from '../../helpers/server/checked-client.ts';
import { startServer } from '../../helpers/server/comm-server.ts';
import { keyBundle } from '../../helpers/server/keys.ts';

let postgres: PostgresProcess;
let redis: RedisProcess;
let databases = 0;
let database: string;
const open: (() => Promise<void>)[] = [];

beforeAll(async () => {
  [postgres, redis] = [await startPostgres(), await startRedis()];
});
afterAll(async () => {
  await postgres[Symbol.asyncDispose]();
  await redis[Symbol.asyncDispose]();
});
beforeEach(async () => {
  databases += 1;
  await postgres.execute(`CREATE DATABASE shared_${databases}`);
  database = postgres.url(`shared_${databases}`);
});
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close();
});

/** Starts two servers with one database and one Redis. Returns their URLs. */
async function startTwo(): Promise<[string, string]> {
  const start = async (): Promise<string> => {
    const server = await startServer({ database, redis: redis.url });
    open.push(async () => await server[Symbol.asyncDispose]());
    return server.url;
  };
  return [await start(), await start()];
}

async function connect(url: string, userId: string): Promise<CheckedClient> {
  const client = await connectClient(url, { userId });
  open.push(() => Promise.resolve(client.close()));
  return client;
}

async function count(sql: string): Promise<number> {
  const client = new pg.Client({ connectionString: database });
  await client.connect();
  try {
    const { rows } = await client.query<{ count: string }>(`SELECT count(*) AS count FROM ${sql}`);
    return Number(rows[0]?.count);
  } finally {
    await client.end();
  }
}

test('two devices of one user on two processes are told the same', async () => {
  const [a, b] = await startTwo();
  const [alice, phone, laptop] = [await connect(a, 'alice'), await connect(a, 'bob'), await connect(b, 'bob')];
  const devices = [phone, laptop];
  const { id: conversationId } = await alice.ask('conversation:create', { type: 'direct', participantIds: ['bob'] });
  for (const device of devices) await device.next('conversation:new', ({ id }) => id === conversationId);
  const sent = [];
  for (const sender of [alice, phone, laptop]) {
    sent.push(await sender.ask('message:send', { conversationId, content: 'hello', type: 'text' }));
  }
  const ids = sent.map(({ id }) => id);
  for (const device of [alice, ...devices]) {
    for (const id of ids) await device.next('message:new', (message) => message.id === id);
    expect(device.payloads('message:new').map(({ id }) => id)).toEqual(ids);
  }
  const messageId = ids[0] ?? '';
  await laptop.ask('message:read', { conversationId, messageId });
  await phone.next('conversation:updated', ({ id, unreadCount }) => id === conversationId && unreadCount === 0);
  await alice.next('read-receipt:update', ({ readBy }) => readBy.userId === 'bob');
  await laptop.ask('message:edit', { conversationId, messageId: ids[2] ?? '', content: 'edited' });
  await phone.next('message:updated', ({ id, content }) => id === ids[2] && content === 'edited');
  await phone.ask('conversation:mute', { conversationId, muted: true });
  await laptop.next('conversation:updated', ({ muted }) => muted === true);
  await alice.ask('message:delete', { conversationId, messageId });
  for (const device of devices) await device.next('message:deleted', (deleted) => deleted.messageId === messageId);
});

test('a direct conversation that is created by both users on two processes at once is one', async () => {
  const [a, b] = await startTwo();
  for (let round = 0; round < 5; round += 1) {
    const [one, other] = [`ann ${round}`, `ben ${round}`];
    const clients = [await connect(a, one), await connect(b, one), await connect(a, other), await connect(b, other)];
    const created = await Promise.all(
      clients.map((client, at) =>
        client.ask('conversation:create', { type: 'direct', participantIds: [at < 2 ? other : one] }),
      ),
    );
    const ids = new Set(created.map(({ id }) => id));
    expect(ids.size).toBe(1);
    for (const client of clients) {
      await client.next('conversation:new');
      await client.settled();
      expect(client.payloads('conversation:new').map(({ id }) => id)).toEqual([...ids]);
    }
    expect(await count('conversations')).toBe(round + 1);
  }
});

test('a one-time prekey is issued once, to requests on two processes at once', async () => {
  const [a, b] = await startTwo();
  const users = Array.from({ length: 30 }, (_, number) => `user ${number}`);
  const owner = await connect(a, 'owner');
  // Known to the owner: they are issued the reserve, too.
  const group = { type: 'group', name: 'team', participantIds: users } as const;
  const { id: conversationId } = await owner.ask('conversation:create', group);
  await owner.ask('message:send', { conversationId, content: 'hello', type: 'text' });
  const bundle = keyBundle(20);
  await owner.ask('encryption:upload-keys', bundle);
  const clients = await Promise.all(users.map((userId, at) => connect(at % 2 === 0 ? a : b, userId)));
  const answers = await Promise.all(
    clients.map((client) => client.ask('encryption:request-keys', { recipientId: 'owner' })),
  );
  const issued = answers.flatMap(({ oneTimePreKey }) => oneTimePreKey ?? []);
  expect(issued.map(({ keyId }) => keyId).toSorted((one, other) => one - other)).toEqual(
    bundle.oneTimePreKeys.map(({ keyId }) => keyId),
  );
});

test('the users of a process that is killed go offline on the others', async () => {
  const [a] = await startTwo();
  const child = startChild('server/server-child.ts', [JSON.stringify({ database, redis: redis.url })]);
  open.push(async () => await child[Symbol.asyncDispose]());
  await child.until((lines) => lines.length > 0);
  const [alice, bob] = [await connect(a, 'alice'), await connect(child.lines[0] ?? '', 'bob')];
  await alice.ask('conversation:create', { type: 'direct', participantIds: ['bob'] });
  // Answered once the process has told the others of its user.
  await bob.ask('presence:update', { status: 'busy', chosen: false });
  expect(await alice.ask('presence:watch', { userIds: ['bob'] })).toMatchObject([{ status: 'busy' }]);
  await child.kill('SIGKILL');
  // The end of a process makes clients synchronize, which includes a new watch.
  await eventually(async () =>
    expect(await alice.ask('presence:watch', { userIds: ['bob'] })).toMatchObject([{ status: 'offline' }]),
  );
});
