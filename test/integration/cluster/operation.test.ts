import { afterAll, beforeAll, expect, test } from 'vitest';
import { silentLogger, type LogFields } from '../../../src/lib/logger.ts';
import { freePort } from '../../helpers/service-process.ts';
import { eventually } from '../../helpers/eventually.ts';
import { startPostgres, type PostgresProcess } from '../../helpers/postgres/postgres-process.ts';
import { startRedis, type RedisProcess } from '../../helpers/redis/redis-process.ts';
import { documentedMetrics, metricNames, readMetrics } from '../../helpers/server/read-metrics.ts';
import { startServer, type TestServer } from '../../helpers/server/comm-server.ts';

let postgres: PostgresProcess;
let redis: RedisProcess;
beforeAll(async () => {
  [postgres, redis] = [await startPostgres(), await startRedis()];
});
afterAll(async () => {
  await postgres[Symbol.asyncDispose]();
  await redis[Symbol.asyncDispose]();
});

let count = 0;
async function newDatabase(): Promise<string> {
  count += 1;
  await postgres.execute(`CREATE DATABASE operation_${count}`);
  return postgres.url(`operation_${count}`);
}

interface ReadyAnswer {
  status: string;
  process?: string;
  reasons?: string[];
}

async function readiness({ url }: TestServer): Promise<[number, ReadyAnswer]> {
  const response = await fetch(`${url}/readyz`);
  return [response.status, (await response.json()) as ReadyAnswer];
}

async function metric({ url }: TestServer, name: string): Promise<number | undefined> {
  return (await readMetrics(url)).get(`lumen_comm_${name}`);
}

/** Ends all connections to a database but those of the tests. */
async function endConnections(database: string): Promise<void> {
  const name = new URL(database).pathname.slice(1);
  await postgres.execute(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}'`);
}

test('processes that share a Redis serve one database', async () => {
  const database = await newDatabase();
  await using first = await startServer({ database, redis: redis.url });
  await using second = await startServer({ database, redis: redis.url });
  const [ada, bob] = [await first.connect('ada'), await second.connect('bob')];
  const { id: conversationId } = await ada.ask('conversation:create', { type: 'direct', participantIds: ['bob'] });
  await bob.next('conversation:new');
  await ada.ask('message:send', { conversationId, content: 'over Redis', type: 'text' });
  expect((await bob.next('message:new')).content).toBe('over Redis');
  expect(await metric(first, 'bus_connected')).toBe(1);
  expect(await metric(first, 'bus_published_total')).toBeGreaterThan(0);
  expect(await metric(second, 'bus_received_total')).toBeGreaterThan(0);
  await eventually(async () => expect(await metric(first, 'bus_lag_seconds')).toBeLessThan(60));
  const documented = new Set([
    ...documentedMetrics('docs/operations.md', 'Metrics'),
    ...documentedMetrics('docs/scaling.md', 'Watching it'),
  ]);
  expect(metricNames(await readMetrics(first.url))).toEqual(documented);
});

test('a process without Redis is refused where one with Redis runs, and the other way round', async () => {
  const database = await newDatabase();
  const shared = await startServer({ database, redis: redis.url });
  await expect(startServer({ database })).rejects.toMatchObject({
    cause: { code: 'UNSUPPORTED', fix: expect.stringMatching(/--redis redis:/) as unknown },
  });
  await shared[Symbol.asyncDispose]();
  await using alone = await startServer({ database });
  await expect(startServer({ database, redis: redis.url })).rejects.toMatchObject({
    cause: {
      code: 'UNSUPPORTED',
      message: 'A server process without Redis uses this database',
      fix: expect.stringMatching(/^Stop the other process, and start it with the same --redis/) as unknown,
    },
  });
  expect((await readiness(alone))[0]).toBe(200);
});

test('Redis needs a Postgres database', async () => {
  await expect(startServer({ database: ':memory:', redis: redis.url })).rejects.toThrow(
    'redis requires a Postgres database',
  );
});

test('a Redis that cannot be reached is named at the start, with what to do and without its password', async () => {
  const database = await newDatabase();
  const port = await freePort();
  const failed = startServer({ database, redis: `redis://me:hush@127.0.0.1:${port}` });
  await expect(failed).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: `Redis at 127.0.0.1:${port} can't be used: ECONNREFUSED`,
    fix: 'Start Redis, or correct the address.',
  });
  // Its claim has ended with it.
  await using server = await startServer({ database });
  expect((await readiness(server))[0]).toBe(200);
});

test('a password that Redis refuses is told apart', async () => {
  const database = await newDatabase();
  const failed = startServer({ database, redis: `redis://me:hush@127.0.0.1:${redis.port}` });
  await expect(failed).rejects.toMatchObject({ fix: expect.stringMatching(/^Pass user and password/) as unknown });
});

test.each([
  ['cannot be reached', async () => `postgres://me:hush@127.0.0.1:${await freePort()}/chat`, /^Start Postgres/],
  ['has no such database', () => Promise.resolve(postgres.url('nowhere')), /^Create the database/],
])('a Postgres that %s is named at the start, with what to do', async (_, url, fix) => {
  const database = await url();
  const { host, pathname } = new URL(database);
  await expect(startServer({ database })).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringMatching(new RegExp(`^Postgres at ${host}${pathname} can't be used: .`)) as unknown,
    fix: expect.stringMatching(fix) as unknown,
  });
});

test('a process that loses Redis goes on, and says so until it is back', async () => {
  const database = await newDatabase();
  await using own = await startRedis();
  const entries: [message: string, fields: LogFields | undefined][] = [];
  const logger = {
    ...silentLogger,
    warn: (message: string, fields?: LogFields) => void entries.push([message, fields]),
  };
  await using server = await startServer({ database, redis: own.url, processName: 'west 1', logger });
  expect(await readiness(server)).toEqual([200, { status: 'ready', process: 'west 1' }]);
  await own.stop();
  await eventually(async () =>
    expect(await readiness(server)).toEqual([
      200,
      {
        status: 'degraded',
        process: 'west 1',
        reasons: ['no connection to Redis: what other processes push arrives late'],
      },
    ]),
  );
  expect(await metric(server, 'bus_connected')).toBe(0);
  const ada = await server.connect('ada');
  expect((await ada.ask('conversation:create', { type: 'group', participantIds: [] })).id).toBeTypeOf('string');
  const lost = entries.find(([message]) => message === 'lost the connection to Redis');
  expect(lost?.[1]).toMatchObject({ process: 'west 1' });
  await own.start();
  await eventually(async () => expect((await readiness(server))[1].status).toBe('ready'));
  expect(await metric(server, 'bus_connected')).toBe(1);
});

test('the reason of an unavailable process is told', async () => {
  const database = await newDatabase();
  await using own = await startPostgres();
  await using server = await startServer({ database: own.url('postgres') });
  await own.stop('immediate');
  expect(await readiness(server)).toEqual([
    503,
    { status: 'unavailable', reasons: ['the database does not respond or accepts no writes'] },
  ]);
  await using first = await startServer({ database });
  let second: TestServer | undefined;
  await eventually(async () => {
    await endConnections(database);
    second = await startServer({ database });
  });
  expect(await readiness(first)).toEqual([
    503,
    { status: 'unavailable', reasons: ['Another server process uses this database'] },
  ]);
  await second?.[Symbol.asyncDispose]();
});

test('one process leads, and another one after its end', async () => {
  const database = await newDatabase();
  const first = await startServer({ database, redis: redis.url });
  await using second = await startServer({ database, redis: redis.url });
  const leads = async (server: TestServer): Promise<boolean> => (await metric(server, 'leader')) === 1;
  expect([await leads(first), await leads(second)]).toEqual([true, false]);
  await first[Symbol.asyncDispose]();
  await eventually(async () => expect(await leads(second)).toBe(true));
});

test('a leader that lost its connection leads again, or another one does', async () => {
  const database = await newDatabase();
  await using first = await startServer({ database, redis: redis.url });
  await using second = await startServer({ database, redis: redis.url });
  const leads = async (server: TestServer): Promise<number> => (await metric(server, 'leader')) ?? 0;
  await eventually(async () => expect((await leads(first)) + (await leads(second))).toBe(1));
  await endConnections(database);
  await eventually(async () => {
    expect((await readiness(first))[0]).toBe(200);
    expect((await readiness(second))[0]).toBe(200);
    expect((await leads(first)) + (await leads(second))).toBe(1);
  });
});
