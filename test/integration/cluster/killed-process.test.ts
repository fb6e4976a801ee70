import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../../src/lib/clock.ts';
import { silentLogger } from '../../../src/lib/logger.ts';
import type { RedisBus } from '../../../src/server/cluster/redis-bus.ts';
import { RedisEphemera } from '../../../src/server/cluster/redis-ephemera.ts';
import { eventually } from '../../helpers/eventually.ts';
import { recording, redisBus, type RecordingBus } from '../../helpers/redis/recording-bus.ts';
import { startRedis, type RedisProcess } from '../../helpers/redis/redis-process.ts';

interface Running extends RecordingBus<RedisBus> {
  readonly ephemera: RedisEphemera;
}

let redis: RedisProcess;
const running: Running[] = [];

beforeEach(async () => {
  redis = await startRedis();
});

afterEach(async () => {
  for (const { ephemera, bus } of running.splice(0)) {
    await ephemera.close();
    await bus.close();
  }
  await redis[Symbol.asyncDispose]();
});

/** Starts what a process shares with others. Subscribed to `c`. */
async function start(): Promise<Running> {
  const processId = crypto.randomUUID();
  const recorded = recording(redisBus(redis.url, { processId }));
  const { bus } = recorded;
  await bus.open();
  await bus.subscribe('c');
  const ephemera = new RedisEphemera({
    redis: bus,
    processId,
    clock: systemClock,
    logger: silentLogger,
    killed: () => bus.lostByOthers(),
    heartbeatMs: 200,
    deadAfterMs: 5_000,
  });
  ephemera.listen({ presenceChanged: () => undefined, lost: () => undefined });
  const started = { ...recorded, ephemera };
  running.push(started);
  await eventually(() => expect(ephemera.processes).toBe(running.length));
  return started;
}

test('when a process ends without a word, all others are told that messages may be lost', async () => {
  const [one, two, killed] = [await start(), await start(), await start()];
  running.splice(running.indexOf(killed), 1);
  // As if it was killed: no heartbeat follows, and nothing is closed.
  await killed.bus.close();
  await eventually(() => expect([...one.missed, ...two.missed]).toEqual(['c', 'c']));
});

test('when a process is closed, no message counts as lost', async () => {
  const [one, two, closed] = [await start(), await start(), await start()];
  running.splice(running.indexOf(closed), 1);
  await closed.ephemera.close();
  await closed.bus.close();
  await eventually(() => expect([one.ephemera.processes, two.ephemera.processes]).toEqual([2, 2]));
  one.bus.publish('c', 'after');
  await eventually(() => expect(two.received).toEqual(['c after']));
  expect([...one.missed, ...two.missed]).toEqual([]);
});
