import { afterAll, beforeAll, expect, test } from 'vitest';
import { silentLogger } from '../../../src/lib/logger.ts';
import type { RedisBus } from '../../../src/server/cluster/redis-bus.ts';
import { createCommServer } from '../../../src/server/index.ts';
import { eventually } from '../../helpers/eventually.ts';
import { startPostgres, type PostgresProcess } from '../../helpers/postgres/postgres-process.ts';
import { redisBus } from '../../helpers/redis/recording-bus.ts';
import { startRedis, type RedisProcess } from '../../helpers/redis/redis-process.ts';

let postgres: PostgresProcess;
let redis: RedisProcess;
let bus: RedisBus;

beforeAll(async () => {
  [postgres, redis] = [await startPostgres(), await startRedis()];
  await postgres.execute('CREATE DATABASE failed_start');
  bus = redisBus(redis.url);
  await bus.open();
});
afterAll(async () => {
  await bus.close();
  await postgres[Symbol.asyncDispose]();
  await redis[Symbol.asyncDispose]();
});

test('a server that is not started for an invalid option leaves no connection to Redis behind', async () => {
  const options = { database: postgres.url('failed_start'), redis: redis.url, port: 0, logger: silentLogger };
  const starting = createCommServer({ ...options, limits: { socketsPerUser: -1 } });
  await expect(starting).rejects.toThrow(/socketsPerUser/);
  await eventually(async () => {
    expect(String(await bus.command(['INFO', 'clients']))).toMatch(/^connected_clients:1\r$/m);
  });
});
