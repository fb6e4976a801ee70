import { afterEach, beforeEach, expect, test } from 'vitest';
import type { RedisBus, RedisBusOptions } from '../../../src/server/cluster/redis-bus.ts';
import { startFaultProxy, type FaultProxy, type FaultProxyOptions } from '../../../src/server/testing/fault-proxy.ts';
import { eventually } from '../../helpers/eventually.ts';
import { recording, redisBus, type RecordingBus } from '../../helpers/redis/recording-bus.ts';
import { startRedis, type RedisProcess } from '../../helpers/redis/redis-process.ts';

let redis: RedisProcess;
const buses: RedisBus[] = [];
const proxies: FaultProxy[] = [];

beforeEach(async () => {
  redis = await startRedis();
});

afterEach(async () => {
  await Promise.all(buses.splice(0).map((bus) => bus.close()));
  await Promise.all(proxies.splice(0).map((proxy) => proxy.close()));
  await redis[Symbol.asyncDispose]();
});

function create(url = redis.url, options: Partial<RedisBusOptions> = {}): RecordingBus<RedisBus> {
  const bus = redisBus(url, options);
  buses.push(bus);
  return recording(bus);
}

async function open(url?: string, options?: Partial<RedisBusOptions>): Promise<RecordingBus<RedisBus>> {
  const created = create(url, options);
  await created.bus.open();
  return created;
}

/** Returns the URL of a proxy in front of Redis, and the proxy. */
async function proxied(faults: Partial<FaultProxyOptions> = {}): Promise<[url: string, proxy: FaultProxy]> {
  const proxy = await startFaultProxy({ target: `http://127.0.0.1:${redis.port}`, seed: 1, ...faults });
  proxies.push(proxy);
  return [`redis://127.0.0.1:${new URL(proxy.url).port}`, proxy];
}

test('after Redis was restarted empty, a subscriber is told what it may have missed, and receives again', async () => {
  const [publisher, one] = [await open(), await open()];
  await Promise.all([one.bus.subscribe('c'), one.bus.subscribe('d')]);
  await redis.stop();
  await eventually(() => expect([publisher.bus.connected, one.bus.connected]).toEqual([false, false]));
  publisher.bus.publish('c', 'lost');
  await redis.start();
  await eventually(() => expect([publisher.bus.connected, one.bus.connected]).toEqual([true, true]));
  expect([...one.missed].toSorted()).toEqual(['c', 'd']);
  publisher.bus.publish('c', 'after');
  await eventually(() => expect(one.received).toEqual(['c after']));
});

test('a publisher that was cut off tells the others which channels lost messages', async () => {
  const [url, proxy] = await proxied();
  const [publisher, one] = [await open(url), await open()];
  await Promise.all([one.bus.subscribe('c'), one.bus.subscribe('quiet')]);
  publisher.bus.publish('c', '1');
  await eventually(() => expect(one.received).toEqual(['c 1']));
  proxy.cut();
  await eventually(() => expect(publisher.bus.connected).toBe(false));
  publisher.bus.publish('c', 'lost');
  await eventually(() => expect(publisher.bus.connected).toBe(true));
  await eventually(() => expect([...one.missed]).toEqual(['c']));
  expect(one.received).toEqual(['c 1']);
});

test('a line that is silent counts as lost, and what it held back is told as missed', async () => {
  const [url, proxy] = await proxied();
  const [publisher, one] = [await open(), await open(url, { heartbeatMs: 50 })];
  await one.bus.subscribe('c');
  proxy.kill();
  publisher.bus.publish('c', 'lost');
  await eventually(() => expect(one.bus.connected).toBe(false));
  proxy.heal();
  await eventually(() => expect(one.bus.connected).toBe(true));
  expect([...one.missed]).toEqual(['c']);
  publisher.bus.publish('c', 'after');
  await eventually(() => expect(one.received).toContain('c after'));
});

test('a slow line delays messages and loses none', async () => {
  const [url] = await proxied({ delay: 1, delayMs: [1, 10], split: 1 });
  const [publisher, one] = [await open(url), await open(url)];
  await one.bus.subscribe('c');
  const payloads = Array.from({ length: 200 }, (_, number) => String(number));
  for (const payload of payloads) publisher.bus.publish('c', payload);
  await eventually(() => expect(one.received).toEqual(payloads.map((payload) => `c ${payload}`)));
  expect([...one.missed]).toEqual([]);
});

test('messages beyond the bound are dropped, and told as missed', async () => {
  const [publisher, one] = [await open(undefined, { maxPending: 100 }), await open()];
  await one.bus.subscribe('c');
  for (let number = 0; number < 10; number += 1) publisher.bus.publish('c', 'x'.repeat(30));
  await eventually(() => expect([...one.missed]).toEqual(['c']));
  expect(one.received.length).toBeLessThan(10);
});

test('a process that starts without Redis goes on, and is told to read everything once it is there', async () => {
  await redis.stop();
  const one = create();
  const opened = one.bus.open();
  await one.bus.subscribe('c');
  one.bus.publish('c', 'lost');
  expect(one.bus.connected).toBe(false);
  await redis.start();
  await opened;
  expect(one.bus.connected).toBe(true);
  expect([...one.missed]).toEqual(['c']);
});

test('closing ends the attempts to connect', async () => {
  await redis.stop();
  const one = create();
  const opened = one.bus.open();
  await one.bus.close();
  await expect(opened).rejects.toThrow('The bus is closed');
});
