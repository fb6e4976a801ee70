import { expect, test } from 'vitest';
import { CommError, memoryStorage, type CommClientOptions, type CommStorage } from '../../../src/index.ts';
import { until, type App } from '../../helpers/client/app.ts';
import { patientClock } from '../../helpers/client/patient-clock.ts';
import { direct, sendNumbers, startWorld, type World } from '../../helpers/client/world.ts';

interface WatchedStorage extends CommStorage {
  /** True: entries of the offline cache can't be written. */
  isFull: boolean;
  /** The keys of each write. */
  readonly writes: string[][];
  entries(): Promise<string[]>;
}

/** A storage that outlives the client. */
function watchedStorage(): WatchedStorage {
  const memory = memoryStorage();
  const writes: string[][] = [];
  const storage: WatchedStorage = {
    isFull: false,
    writes,
    get: (key) => memory.get(key),
    list: (prefix) => memory.list(prefix),
    transact: async (keys, step) => {
      let written: string[] = [];
      const result = await memory.transact(keys, (values) => {
        const outcome = step(values);
        written = [...outcome.writes].filter(([, value]) => value !== undefined).map(([key]) => key);
        const isOffline = written.some((key) => key.includes('/offline-'));
        if (storage.isFull && isOffline) throw new CommError('STORAGE', 'The disk is full');
        return outcome;
      });
      writes.push(written);
      return result;
    },
    close: () => Promise.resolve(),
    entries: async () => (await memory.list('')).map(([key]) => key),
  };
  return storage;
}

const offlineKeys = async (storage: WatchedStorage): Promise<string[]> =>
  (await storage.entries()).filter((key) => key.includes('/offline-'));

/** Alice, whose client uses the storage, has opened a conversation with two messages of bob. */
async function start(
  storage: CommStorage,
  options: CommClientOptions = {},
): Promise<World & { alice: App; bob: App; conversationId: string; view: ReturnType<typeof open> }> {
  const world = await startWorld();
  const { bob } = await world.joinAll('bob');
  const alice = await world.join('alice', { storage, ...options });
  const conversationId = await direct(alice, bob);
  await sendNumbers(bob, conversationId, 1, 2);
  await until(alice.client.conversations.inbox, ({ loading }) => !loading);
  const view = open(alice, conversationId);
  await view.ready;
  return { ...world, alice, bob, conversationId, view };
}

function open({ client }: App, conversationId: string): ReturnType<App['client']['conversations']['open']> {
  return client.conversations.open(conversationId);
}

/** A client of alice without a network, and what it shows of the conversation. */
async function restored(
  { app }: World,
  storage: CommStorage,
  conversationId: string,
  count: number,
): Promise<string[]> {
  const alice = app('alice', { storage });
  alice.port.unplug();
  const { messages } = await until(open(alice, conversationId), (snapshot) => snapshot.messages.length === count);
  return messages.map(({ content }) => content);
}

test('a full storage ends the cache, deletes what it held, and leaves the outbox as it is', async () => {
  const storage = watchedStorage();
  const { alice, bob, conversationId, view } = await start(storage);
  await alice.client.disconnect();
  expect(await offlineKeys(storage)).not.toEqual([]);
  await alice.client.connect();
  storage.isFull = true;
  await bob.client.messages.send({ conversationId, content: '3' });
  await until(view, ({ messages }) => messages.at(-1)?.content === '3');
  await alice.client.disconnect();
  expect(await offlineKeys(storage)).toEqual([]);
  expect(alice.errors).toEqual([]);

  storage.isFull = false;
  view.send('waits').catch(() => undefined);
  await alice.client[Symbol.asyncDispose]();
  expect((await storage.entries()).filter((key) => key.startsWith('alice/outbox/'))).toHaveLength(1);
  expect(await offlineKeys(storage)).toEqual([]);
});

test('only what has changed is written, and many changes are written together', async () => {
  const storage = watchedStorage();
  const { alice, bob, conversationId, join, view } = await start(storage, { clock: patientClock({ speed: 0.001 }) });
  const other = await direct(alice, await join('carol'));
  await until(alice.client.conversations.inbox, ({ conversations }) => conversations.length === 2);
  await alice.client.disconnect();
  storage.writes.length = 0;
  await alice.client.connect();
  await until(alice.client.conversations.inbox, ({ loading }) => !loading);
  await sendNumbers(bob, conversationId, 3, 40);
  await until(view, ({ messages }) => messages.length === 40);
  await alice.client.disconnect();
  const written = storage.writes.flat();
  expect(written).toContain(`alice/offline-page/${conversationId}`);
  expect(written).not.toContain(`alice/offline-page/${other}`);
  // No timer has run: at the start of the session, and at its end before and after the position.
  expect(written.filter((key) => key === `alice/offline-page/${conversationId}`).length).toBeLessThanOrEqual(3);
});

test('the position is stored after what it contains', async () => {
  const storage = watchedStorage();
  const { alice, bob, conversationId } = await start(storage, { clock: patientClock({ speed: 0.001 }) });
  await alice.client.disconnect();
  await alice.client.connect();
  storage.writes.length = 0;
  await bob.client.messages.send({ conversationId, content: '3' });
  await alice.next('message:new', ({ content }) => content === '3');
  await alice.client.disconnect();
  const written = storage.writes.flat();
  const page = written.indexOf(`alice/offline-page/${conversationId}`);
  expect(page).toBeGreaterThan(-1);
  expect(written.indexOf('alice/cursors')).toBeGreaterThan(page);
});

test('two clients of one storage keep both what they show', async () => {
  const storage = watchedStorage();
  const world = await start(storage);
  const { alice, bob, conversationId, join } = world;
  const second = await join('alice', { storage });
  const carol = await join('carol');
  const other = await direct(second, carol);
  await alice.next('conversation:new', ({ id }) => id === other);
  await carol.client.messages.send({ conversationId: other, content: 'from carol' });
  await open(second, other).ready;
  await bob.client.messages.send({ conversationId, content: '3' });
  for (const each of [alice, second]) await each.next('message:new', ({ content }) => content === '3');
  await Promise.all([alice, second].map((each) => each.client[Symbol.asyncDispose]()));
  expect(await restored(world, storage, conversationId, 3)).toEqual(['1', '2', '3']);
  expect(await restored(world, storage, other, 1)).toEqual(['from carol']);
});

test('a client stores nothing any more after another one of the same storage has forgotten the user', async () => {
  const storage = watchedStorage();
  const { alice, bob, conversationId, join, view } = await start(storage);
  await alice.client.disconnect();
  await alice.client.connect();
  const second = await join('alice', { storage });
  await second.client.forget();
  await bob.client.messages.send({ conversationId, content: '3' });
  await until(view, ({ messages }) => messages.at(-1)?.content === '3');
  await alice.client.disconnect();
  expect(await offlineKeys(storage)).toEqual([]);
});

test('the conversations used last stay within the limits', async () => {
  const storage = watchedStorage();
  const world = await startWorld();
  const alice = await world.join('alice', { storage, offline: { conversations: 2 } });
  const ids: string[] = [];
  for (const name of ['bob', 'carol', 'dave']) {
    const other = await world.join(name);
    const id = await direct(alice, other);
    ids.push(id);
    await other.client.messages.send({ conversationId: id, content: `from ${name}` });
    await open(alice, id).ready;
    await until(open(alice, id), ({ messages }) => messages.length === 1);
    // Stores what was shown so far.
    await alice.client.disconnect();
    await alice.client.connect();
  }
  await alice.client[Symbol.asyncDispose]();
  const pages = (await offlineKeys(storage)).filter((key) => key.includes('/offline-page/'));
  expect(pages).toEqual(
    ids
      .slice(-2)
      .map((id) => `alice/offline-page/${id}`)
      .toSorted(),
  );
});

test('a client that never reads keeps earlier entries up to date, and adds none', async () => {
  const storage = watchedStorage();
  const world = await start(storage);
  const { alice, bob, conversationId, join } = world;
  await alice.client[Symbol.asyncDispose]();
  const bot = await join('alice', { storage });
  const carol = await join('carol');
  const other = await direct(carol, bot);
  await carol.client.messages.send({ conversationId: other, content: 'from carol' });
  await bob.client.messages.send({ conversationId, content: '3' });
  await bot.next('message:new', ({ content }) => content === '3');
  await bot.client[Symbol.asyncDispose]();
  const pages = (await offlineKeys(storage)).filter((key) => key.includes('/offline-page/'));
  expect(pages).toEqual([`alice/offline-page/${conversationId}`]);
  expect(await restored(world, storage, conversationId, 3)).toEqual(['1', '2', '3']);
});
