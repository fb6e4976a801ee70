import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../../src/lib/clock.ts';
import { silentLogger } from '../../../src/lib/logger.ts';
import type { RedisBus } from '../../../src/server/cluster/redis-bus.ts';
import { RedisEphemera } from '../../../src/server/cluster/redis-ephemera.ts';
import { eventually } from '../../helpers/eventually.ts';
import { redisBus } from '../../helpers/redis/recording-bus.ts';
import { startRedis, type RedisProcess } from '../../helpers/redis/redis-process.ts';

const PROCESS = 'process';
const online = [{ socketId: 's', status: 'online', showsWaiting: false }] as const;

let redis: RedisProcess;
let bus: RedisBus;
let ephemera: RedisEphemera;

beforeEach(async () => {
  redis = await startRedis();
  bus = redisBus(redis.url, { processId: PROCESS });
  await bus.open();
  const heartbeatMs = 50;
  ephemera = new RedisEphemera({
    redis: bus,
    processId: PROCESS,
    clock: systemClock,
    logger: silentLogger,
    heartbeatMs,
  });
  ephemera.listen({ presenceChanged: () => undefined, lost: () => undefined });
});

afterEach(async () => {
  await ephemera.close();
  await bus.close();
  await redis[Symbol.asyncDispose]();
});

/** Returns the remaining time in ms of each key, -1 for a key that stays for ever. */
async function expiries(): Promise<Record<string, number>> {
  const keys = (await bus.command(['KEYS', '*'])) as string[];
  const times = await Promise.all(keys.map(async (key) => Number(await bus.command(['PTTL', key]))));
  return Object.fromEntries(keys.map((key, at) => [key, times[at] ?? 0]));
}

test('every key expires, also after the last process has ended', async () => {
  await ephemera.setPresence('ana', { devices: online, chosen: undefined });
  ephemera.spend({ key: 'sends:ana', tokens: 1, burst: 10, perSecond: 1 }, () => undefined);
  ephemera.count('address:::1', 1);
  const names = ['count:address:::1', 'limit:sends:ana', 'processes', `users:${PROCESS}`, 'user:ana'];
  await eventually(async () => {
    expect(Object.keys(await expiries()).toSorted()).toEqual(names.map((each) => `lumen-comm:${each}`).toSorted());
  });
  await ephemera.close();
  const left = await expiries();
  expect(Object.keys(left)).toContain('lumen-comm:dead');
  expect(Object.entries(left).filter(([, ms]) => ms < 0)).toEqual([]);
});

test('heartbeats keep the list of the users of a process, though no user comes or goes', async () => {
  await ephemera.setPresence('ana', { devices: online, chosen: undefined });
  await bus.command(['EXPIRE', `lumen-comm:users:${PROCESS}`, '100']);
  await eventually(async () => {
    expect((await expiries())[`lumen-comm:users:${PROCESS}`]).toBeGreaterThan(3_000_000);
  });
});
