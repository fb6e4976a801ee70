import { afterEach, beforeEach, expect, test } from 'vitest';
import { deferred } from '../../../../src/lib/deferred.ts';
import { silentLogger } from '../../../../src/lib/logger.ts';
import { RedisBus } from '../../../../src/server/cluster/redis-bus.ts';
import type { RedisConnection } from '../../../../src/server/cluster/redis-connection.ts';
import { PublishedSequence } from '../../../../src/server/cluster/sequences.ts';
import { manualClock, type ManualClock } from '../../../helpers/manual-clock.ts';
import { recording, type RecordingBus } from '../../../helpers/redis/recording-bus.ts';

/** A connection to a Redis that answers when the test says so. */
class FakeConnection implements RedisConnection {
  readonly subscribed = new Set<string>();
  readonly received: (channel: string, message: string) => void;
  #silence = deferred<undefined>();
  isDestroyed = false;

  constructor(received: (channel: string, message: string) => void) {
    this.received = received;
    this.answer();
  }

  /** Lets commands wait for {@link answer}. */
  pause(): void {
    this.#silence = deferred();
    this.#silence.promise.catch(() => undefined);
  }

  answer(): void {
    this.#silence.resolve(undefined);
  }

  async publish(channel: string, message: string): Promise<void> {
    await this.#silence.promise;
    if (this.subscribed.has(channel)) this.received(channel, message);
  }

  async command(): Promise<void> {
    await this.#silence.promise;
  }

  async subscribe(channels: readonly string[]): Promise<void> {
    await this.#silence.promise;
    for (const channel of channels) this.subscribed.add(channel);
  }

  async unsubscribe(channels: readonly string[]): Promise<void> {
    await this.#silence.promise;
    for (const channel of channels) this.subscribed.delete(channel);
  }

  destroy(): void {
    this.isDestroyed = true;
    this.#silence.reject(new Error('destroyed'));
  }
}

let clock: ManualClock;
let connections: FakeConnection[];
let isSilent: boolean;
let recorded: RecordingBus<RedisBus>;

beforeEach(() => {
  clock = manualClock();
  connections = [];
  isSilent = false;
  const bus = new RedisBus({
    url: 'redis://test',
    prefix: '',
    processId: 'here',
    clock,
    random: { number: () => 0, bytes: (length) => new Uint8Array(length) },
    logger: silentLogger,
    heartbeatMs: 1_000,
    connect: (_url, events) => {
      const connection = new FakeConnection((channel, message) => events.received(channel, message));
      if (isSilent) connection.pause();
      connections.push(connection);
      return Promise.resolve(connection);
    },
  });
  recorded = recording(bus);
});

afterEach(async () => {
  connections.at(-1)?.answer();
  await recorded.bus.close();
});

/** Lets everything happen that doesn't wait for an answer or a time. */
const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

test('a subscription that is given up before it has begun can be repeated', async () => {
  const { bus } = recorded;
  await bus.open();
  const first = bus.subscribe('c');
  bus.unsubscribe('c');
  await first;
  await bus.subscribe('c');
  expect(connections[0]?.subscribed).toContain('c');
});

test('a subscription that is given up while another one is being confirmed can be repeated', async () => {
  const { bus } = recorded;
  await bus.open();
  connections[0]?.pause();
  const other = bus.subscribe('other');
  await turn();
  const first = bus.subscribe('c');
  bus.unsubscribe('c');
  await first;
  const second = bus.subscribe('c');
  connections[0]?.answer();
  await Promise.all([other, second]);
  expect(connections[0]?.subscribed).toContain('c');
});

test('what arrives on a channel after it was given up says nothing about messages after the next subscription', async () => {
  const { bus, received, missed } = recorded;
  await bus.open();
  await bus.subscribe('c');
  bus.unsubscribe('c');
  await turn();
  const publisher = new PublishedSequence('there');
  connections[0]?.received('c', publisher.next('c', 'late'));
  publisher.next('c', 'between');
  await bus.subscribe('c');
  connections[0]?.received('c', publisher.next('c', 'after'));
  expect(received).toEqual(['c after']);
  expect([...missed]).toEqual([]);
});

test('a line that falls silent before everything is subscribed counts as lost', async () => {
  const { bus } = recorded;
  isSilent = true;
  void bus.subscribe('c');
  const opened = bus.open();
  await turn();
  isSilent = false;
  clock.advance(3_000);
  await turn();
  expect(connections[0]?.isDestroyed).toBe(true);
  clock.advance(5_000);
  await opened;
  expect(connections[1]?.subscribed).toContain('c');
});

test('what another app publishes on a channel is ignored', async () => {
  const { bus, received, missed } = recorded;
  await bus.open();
  await bus.subscribe('c');
  const digits = '9'.repeat(400);
  for (const message of ['', '{"some":"json"}', `there ${digits} 0 text`, `${'x'.repeat(200)} 1 0 text`]) {
    connections[0]?.received('c', message);
  }
  expect([...received, ...missed]).toEqual([]);
});
