import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Bus } from '../../../src/server/cluster/bus.ts';
import { MemoryBusHub } from '../../../src/server/cluster/memory-bus.ts';
import { eventually } from '../../helpers/eventually.ts';
import { recording, redisBus, type RecordingBus } from '../../helpers/redis/recording-bus.ts';
import { startRedis, type RedisProcess } from '../../helpers/redis/redis-process.ts';

/** What every bus does. `connect` returns the bus of another process. */
function describeBus(connect: () => Promise<Bus>): void {
  const buses: Bus[] = [];
  const open = async (): Promise<RecordingBus> => {
    const bus = await connect();
    buses.push(bus);
    return recording(bus);
  };
  afterEach(async () => {
    await Promise.all(buses.splice(0).map((bus) => bus.close()));
  });

  test('a message reaches the processes that have subscribed, in order, and no other', async () => {
    const [publisher, one, other, stranger] = [await open(), await open(), await open(), await open()];
    await Promise.all([one.bus.subscribe('c'), other.bus.subscribe('c'), stranger.bus.subscribe('d')]);
    for (const payload of ['1', '2', '3']) publisher.bus.publish('c', payload);
    publisher.bus.publish('d', 'end');
    await eventually(() => expect(one.received).toEqual(['c 1', 'c 2', 'c 3']));
    await eventually(() => expect(other.received).toEqual(['c 1', 'c 2', 'c 3']));
    await eventually(() => expect(stranger.received).toEqual(['d end']));
    expect([...one.missed, ...other.missed, ...stranger.missed]).toEqual([]);
  });

  test('a process does not receive its own messages', async () => {
    const [one, other] = [await open(), await open()];
    await Promise.all([one.bus.subscribe('c'), other.bus.subscribe('c')]);
    one.bus.publish('c', 'own');
    await eventually(() => expect(other.received).toEqual(['c own']));
    other.bus.publish('c', 'answer');
    await eventually(() => expect(one.received).toEqual(['c answer']));
  });

  test('after unsubscribing and subscribing again, what was published in between is not missed', async () => {
    const [publisher, one] = [await open(), await open()];
    await one.bus.subscribe('c');
    publisher.bus.publish('c', '1');
    await eventually(() => expect(one.received).toEqual(['c 1']));
    one.bus.unsubscribe('c');
    await one.bus.subscribe('settled');
    publisher.bus.publish('c', '2');
    publisher.bus.publish('settled', '');
    publisher.bus.publish('settled', 'x');
    await eventually(() => expect(one.received).toContain('settled x'));
    await one.bus.subscribe('c');
    publisher.bus.publish('c', '3');
    await eventually(() => expect(one.received.at(-1)).toBe('c 3'));
    expect(one.received).not.toContain('c 2');
    expect([...one.missed]).toEqual([]);
  });

  test('subscribing twice is the same as once, and the last call of one task counts', async () => {
    const [publisher, one] = [await open(), await open()];
    await Promise.all([one.bus.subscribe('c'), one.bus.subscribe('c')]);
    one.bus.unsubscribe('c');
    await one.bus.subscribe('c');
    publisher.bus.publish('c', '1');
    await eventually(() => expect(one.received).toEqual(['c 1']));
  });

  test('texts arrive unchanged', async () => {
    const [publisher, one] = [await open(), await open()];
    await one.bus.subscribe('conversation:ä 🎉');
    const texts = [' ', 'a b\r\nc', '{"x":"\\u0000"}', '🎉'.repeat(50_000)];
    for (const text of texts) publisher.bus.publish('conversation:ä 🎉', text);
    await eventually(() => expect(one.received).toEqual(texts.map((text) => `conversation:ä 🎉 ${text}`)));
  });

  test('a closed bus publishes and receives nothing', async () => {
    const [publisher, one, other] = [await open(), await open(), await open()];
    await Promise.all([one.bus.subscribe('c'), other.bus.subscribe('c')]);
    await one.bus.close();
    await one.bus.close();
    expect(one.bus.connected).toBe(false);
    one.bus.publish('c', 'lost');
    publisher.bus.publish('c', '1');
    await eventually(() => expect(other.received).toEqual(['c 1']));
    expect(one.received).toEqual([]);
  });

  test('what was published before a process closes its bus arrives', async () => {
    const [publisher, one] = [await open(), await open()];
    await one.bus.subscribe('c');
    for (let number = 0; number < 1_000; number += 1) publisher.bus.publish('c', String(number));
    await publisher.bus.close();
    await eventually(() => expect(one.received).toHaveLength(1_000));
  });
}

describe('the bus in memory', () => {
  let hub = new MemoryBusHub();
  afterEach(() => {
    hub = new MemoryBusHub();
  });
  describeBus(() => Promise.resolve(hub.connect()));
});

describe('the bus over Redis', () => {
  let redis: RedisProcess;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(async () => {
    await redis[Symbol.asyncDispose]();
  });
  describeBus(async () => {
    const bus = redisBus(redis.url);
    await bus.open();
    return bus;
  });
});
