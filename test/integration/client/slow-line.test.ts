import { expect, onTestFinished, test, vi } from 'vitest';
import { CommClient, memoryStorage, socketIoPort } from '../../../src/index.ts';
import { startFaultProxy, type FaultProxy } from '../../../src/server/testing/fault-proxy.ts';
import { startTestServer, type TestServer } from '../../../src/server/testing/start-test-server.ts';
import { connectUser } from '../../../src/testing/connect-user.ts';
import { patientClock } from '../../helpers/client/patient-clock.ts';
import { LARGE_BUDGETS } from '../../helpers/server/comm-server.ts';

const TEXT = 'A message of ordinary length, as people write them to each other';
const PEOPLE = Array.from({ length: 58 }, (_, number) => `person-number-${number}`);

/** Ann's client on a line that is slow from `resume()` on: in proportion to its patience as 100 KB/s to ten seconds. */
async function onSlowLine(): Promise<{
  server: TestServer;
  proxy: FaultProxy;
  ann: CommClient;
  /** How often she has tried to connect. */
  attempts: () => number;
}> {
  const server = await startTestServer({ limits: LARGE_BUDGETS });
  onTestFinished(() => server[Symbol.asyncDispose]());
  const proxy = await startFaultProxy({ target: server.url, seed: 1, bytesPerSecond: 125_000 });
  onTestFinished(() => proxy.close());
  proxy.heal();
  const { url } = proxy;
  const socket = socketIoPort({ url, namespace: '/nk/messages', path: '/__nk_socketio/', transports: ['websocket'] });
  const connect = vi.spyOn(socket, 'connect');
  const ann = new CommClient({
    url,
    userId: 'ann',
    socket,
    storage: memoryStorage(),
    // Long enough for a machine that stalls for seconds.
    requestTimeoutMs: 8_000,
    clock: patientClock(),
  });
  onTestFinished(() => ann[Symbol.asyncDispose]());
  return { server, proxy, ann, attempts: () => connect.mock.calls.length };
}

async function groups(server: TestServer, count: number, others: readonly string[]): Promise<string[]> {
  await using bob = await connectUser({ url: server.url, userId: 'bob' });
  const ids: string[] = [];
  for (let number = 0; number < count; number += 1) {
    const create = { type: 'group', name: `group ${number}`, participantIds: ['ann', ...others] } as const;
    ids.push((await bob.request('conversation:create', create)).id);
  }
  return ids;
}

test('on a slow connection thousands of missed messages arrive, each once and in order, without a reconnect', async () => {
  const { server, proxy, ann, attempts } = await onSlowLine();
  const ids = await groups(server, 25, []);
  await ann.connect();
  await ann.disconnect();
  await using bob = await connectUser({ url: server.url, userId: 'bob' });
  for (const id of ids)
    await Promise.all(Array.from({ length: 200 }, (_, number) => bob.send(id, `${TEXT} ${number}`)));
  const waiting = ann.messages.send({ conversationId: ids[0] ?? '', content: 'Written meanwhile' });
  const told = new Map<string, number[]>();
  const all = new Promise<void>((resolve) => {
    let count = 0;
    ann.on('message:new', ({ conversationId, senderId, seq }) => {
      if (senderId !== 'bob') return;
      told.set(conversationId, [...(told.get(conversationId) ?? []), seq ?? 0]);
      if ((count += 1) === 5_000) resolve();
    });
  });
  proxy.resume();
  await ann.connect();
  expect(await waiting).toMatchObject({ content: 'Written meanwhile' });
  await all;
  expect(attempts()).toBe(2);
  const inOrder = Array.from({ length: 200 }, (_, number) => number + 1);
  for (const id of ids) expect(told.get(id)).toEqual(inOrder);
});

test('on a slow connection a hundred open views of large groups rejoin without a reconnect', async () => {
  const { server, proxy, ann, attempts } = await onSlowLine();
  const ids = await groups(server, 100, PEOPLE);
  await ann.connect();
  await Promise.all(ids.map((id) => ann.conversations.open(id).ready));
  await ann.disconnect();
  const { bytesDown } = proxy.figures;
  proxy.resume();
  await ann.connect();
  expect(proxy.figures.bytesDown - bytesDown).toBeGreaterThan(1_000_000);
  expect(attempts()).toBe(2);
});

test('more new conversations than a response has room for are reported once each, and so are changed flags', async () => {
  const { server, ann } = await onSlowLine();
  const [known = '', ...others] = await groups(server, 40, PEOPLE);
  await ann.connect();
  await ann.disconnect();
  const gained = await groups(server, 30, PEOPLE);
  await using elsewhere = await connectUser({ url: server.url, userId: 'ann' });
  for (const conversationId of [known, ...others]) {
    await elsewhere.request('conversation:pin', { conversationId, pinned: true });
  }
  const pinned = new Set<string>();
  ann.on('conversation:updated', (update) => {
    if (update.pinned === true) pinned.add(update.id);
  });
  const told: string[] = [];
  const all = new Promise<void>((resolve) => {
    ann.on('conversation:new', ({ id }) => {
      if (told.push(id) === gained.length) resolve();
    });
  });
  await ann.connect();
  await all;
  expect(told.toSorted()).toEqual(gained.toSorted());
  await expect.poll(() => pinned.size).toBe(40);
});
