import { afterEach, expect, test } from 'vitest';
import { memoryStorage, type CallSession, type CommClientOptions } from '../../../../src/index.ts';
import { held } from '../../../../src/client/calls/held.ts';
import { until } from '../../../helpers/client/app.ts';
import { becomes, caller, leftovers, NOTHING_LEFT, rings, type Caller } from '../../../helpers/client/caller.ts';
import { direct, group, startWorld, type World } from '../../../helpers/client/world.ts';

const SEALING = { mediaEncryption: true, encryption: {} } as const;

async function sealing(world: World, userId: string, more: Parameters<typeof caller>[2] = {}): Promise<Caller> {
  const made = await caller(world.join, userId, { ...SEALING, ...more });
  await made.app.client.encryption.ready;
  return made;
}

async function talk(
  from: Caller,
  to: Caller,
  conversationId: string,
): Promise<[ours: CallSession, theirs: CallSession]> {
  const calleeIds = [to.app.client.userId ?? ''];
  const ours = await from.app.client.calls.start({ conversationId, type: 'audio', calleeIds });
  const theirs = await rings(to);
  await theirs.accept();
  await Promise.all([becomes(ours, 'connected'), becomes(theirs, 'connected')]);
  return [ours, theirs];
}

/** Waits until a key of somebody has come. */
function keyFrom({ platform }: Caller, userId: string, keyId = 0): Promise<Uint8Array> {
  const { keys } = platform.links;
  return expect
    .poll(() => keys.some((each) => each.from.userId === userId && each.keyId === keyId), { interval: 1 })
    .toBe(true)
    .then(() => keys.find((each) => each.from.userId === userId && each.keyId === keyId)?.secret ?? new Uint8Array());
}

const encryptedIn = (...calls: CallSession[]): boolean[] => calls.map((call) => call.getSnapshot().encrypted);

afterEach(() => {
  expect(held).toEqual({ connections: 0, tracks: 0, timers: 0, listeners: 0, workers: 0 });
});

test('both sides are given the key of the other, from the device that is in the call, and say that it is encrypted', async () => {
  const world = await startWorld();
  const [alice, bob] = [await sealing(world, 'alice'), await sealing(world, 'bob')];
  const [ours, theirs] = await talk(alice, bob, await direct(alice.app, bob.app));
  expect(await keyFrom(bob, 'alice')).toEqual(alice.platform.links.ownKey.secret);
  expect(await keyFrom(alice, 'bob')).toEqual(bob.platform.links.ownKey.secret);
  expect(bob.platform.links.keys[0]?.from).toEqual(alice.platform.links.context?.self);
  expect(encryptedIn(ours, theirs)).toEqual([true, true]);
  ours.hangup();
  await theirs.ended;
  await expect.poll(() => [leftovers(alice), leftovers(bob)]).toEqual([NOTHING_LEFT, NOTHING_LEFT]);
  expect(encryptedIn(ours, theirs)).toEqual([false, false]);
});

test('where only one side has it on, nobody is sent a key, and both see that it is not encrypted', async () => {
  const world = await startWorld();
  const [alice, bob] = [await sealing(world, 'alice'), await sealing(world, 'bob', { mediaEncryption: false })];
  const [ours, theirs] = await talk(alice, bob, await direct(alice.app, bob.app));
  expect(encryptedIn(ours, theirs)).toEqual([false, false]);
  expect([alice.platform.links.sealed.size, bob.app.port.sent.includes('encryption:session-init')]).toEqual([0, false]);
  expect(alice.app.port.sent).not.toContain('encryption:session-init');
});

test('a browser that can not seal frames does not say that it does', async () => {
  const world = await startWorld();
  const [alice, bob] = [await sealing(world, 'alice'), await sealing(world, 'bob')];
  bob.platform.sealsFrames = false;
  const [ours, theirs] = await talk(alice, bob, await direct(alice.app, bob.app));
  expect(encryptedIn(ours, theirs)).toEqual([false, false]);
});

/** As if nobody of `userIds` had said that they seal their frames. */
function strip(told: unknown, userIds: readonly string[]): unknown {
  return JSON.parse(JSON.stringify(told), (_, value: unknown) => {
    const isTheirs = typeof value === 'object' && value !== null && 'userId' in value && 'mediaEncryption' in value;
    if (!isTheirs || !userIds.includes(String(value.userId))) return value;
    return { ...value, mediaEncryption: undefined };
  });
}

test('a server that does not pass on who seals can prevent it, and both see that', async () => {
  const world = await startWorld();
  const [alice, bob] = [await sealing(world, 'alice'), await sealing(world, 'bob')];
  for (const { app } of [alice, bob]) app.port.bends = (told) => strip(told, ['bob']);
  const [ours, theirs] = await talk(alice, bob, await direct(alice.app, bob.app));
  expect(encryptedIn(ours, theirs)).toEqual([false, false]);
  expect([alice, bob].map(({ platform }) => platform.links.sealed.size)).toEqual([0, 0]);
});

test('a server that tells the two sides different things gets nothing in the clear from who was told that it is sealed', async () => {
  const world = await startWorld();
  const [alice, bob] = [await sealing(world, 'alice'), await sealing(world, 'bob')];
  alice.app.port.bends = (told) => strip(told, ['bob']);
  const [ours, theirs] = await talk(alice, bob, await direct(alice.app, bob.app));
  expect(encryptedIn(ours, theirs)).toEqual([false, true]);
  expect([...bob.platform.links.sealed]).toEqual(['alice']);
  expect(alice.platform.links.keys).toEqual([]);
});

test('a key of an earlier call is left alone', async () => {
  const world = await startWorld();
  const [alice, bob] = [await sealing(world, 'alice'), await sealing(world, 'bob')];
  const conversationId = await direct(alice.app, bob.app);
  const [, before] = await talk(alice, bob, conversationId);
  const { keys } = bob.platform.links.context ?? {};
  before.hangup();
  await expect.poll(() => alice.app.client.calls.active, { interval: 1 }).toBeUndefined();
  await talk(alice, bob, conversationId);
  const key = await keyFrom(alice, 'bob');
  const self = alice.platform.links.context?.self ?? { userId: 'alice' };
  await keys?.send(self, { keyId: 1, secret: new Uint8Array(32) });
  const hello = bob.app.client.messages.send({ conversationId, content: 'behind it', encrypt: true });
  await alice.app.next('message:new', ({ content }) => content === 'behind it');
  await hello;
  expect(alice.platform.links.keys.map(({ secret }) => secret)).toEqual([key]);
});

test('another window of the same user reads the key first, and the one in the call has it all the same', async () => {
  const world = await startWorld();
  const storage = memoryStorage();
  const alice = await sealing(world, 'alice');
  const [bob, other] = [await sealing(world, 'bob', { storage }), await sealing(world, 'bob', { storage })];
  const conversationId = await direct(alice.app, bob.app);
  // From here on nothing but keys comes on the session.
  await alice.app.client.messages.send({ conversationId, content: 'hello', encrypt: true });
  await alice.app.next('encryption:session-established');
  const ours = await alice.app.client.calls.start({ conversationId, type: 'audio', calleeIds: ['bob'] });
  const theirs = await rings(bob);
  const release = bob.app.port.hold();
  await theirs.accept();
  await expect.poll(() => other.app.port.sent, { interval: 1 }).toContain('encryption:mailbox-ack');
  release();
  expect(await keyFrom(bob, 'alice')).toEqual(alice.platform.links.ownKey.secret);
  await Promise.all([becomes(ours, 'connected'), becomes(theirs, 'connected')]);
  expect(encryptedIn(ours, theirs)).toEqual([true, true]);
});

test('somebody who has lost the session is given the key once more on a new one', async () => {
  const world = await startWorld();
  const storage = memoryStorage();
  const [alice, bob] = [await sealing(world, 'alice'), await sealing(world, 'bob', { storage })];
  const conversationId = await direct(alice.app, bob.app);
  await alice.app.client.messages.send({ conversationId, content: 'hello', encrypt: true });
  await alice.app.next('encryption:session-established');
  const ours = await alice.app.client.calls.start({ conversationId, type: 'audio', calleeIds: ['bob'] });
  const theirs = await rings(bob);
  await storage.transact([], () => ({ writes: new Map([['bob/e2ee/peer/alice', undefined]]), result: undefined }));
  await theirs.accept();
  expect(await keyFrom(bob, 'alice')).toEqual(alice.platform.links.ownKey.secret);
  await Promise.all([becomes(ours, 'connected'), becomes(theirs, 'connected')]);
});

test('who leaves is followed by new keys, which they are not given', async () => {
  const world = await startWorld();
  const [alice, bob, carol] = [
    await sealing(world, 'alice'),
    await sealing(world, 'bob'),
    await sealing(world, 'carol'),
  ];
  const conversationId = await group(alice.app, bob.app, carol.app);
  const calleeIds = ['bob', 'carol'];
  const ours = await alice.app.client.calls.start({ conversationId, type: 'audio', calleeIds });
  for (const each of [bob, carol]) await (await rings(each)).accept();
  for (const each of [alice, bob]) await keyFrom(each, 'carol');
  await Promise.all([keyFrom(carol, 'alice'), keyFrom(carol, 'bob')]);
  const carols = carol.platform.links;
  carol.app.client.calls.active?.hangup();
  expect(await keyFrom(bob, 'alice', 1)).toEqual(alice.platform.links.ownKey.secret);
  expect(await keyFrom(alice, 'bob', 1)).toEqual(bob.platform.links.ownKey.secret);
  expect(carols.keys.map(({ keyId }) => keyId)).toEqual([0, 0]);
  expect(ours.getSnapshot().encrypted).toBe(true);
});

test('one without it among three: the call is not encrypted, though the link between the other two is', async () => {
  const world = await startWorld();
  const [alice, bob, carol] = [
    await sealing(world, 'alice'),
    await sealing(world, 'bob'),
    await caller(world.join, 'carol'),
  ];
  const conversationId = await group(alice.app, bob.app, carol.app);
  const ours = await alice.app.client.calls.start({ conversationId, type: 'audio', calleeIds: ['bob', 'carol'] });
  await (await rings(bob)).accept();
  await keyFrom(alice, 'bob');
  await until(ours, ({ encrypted }) => encrypted);
  const theirs = await rings(carol);
  await theirs.accept();
  await until(ours, ({ encrypted }) => !encrypted);
  await becomes(theirs, 'connected');
  expect([...alice.platform.links.sealed]).toEqual(['bob']);
});

test('somebody whose changed identity is not accepted is sent no key: the app is told, and nothing goes in the clear', async () => {
  const world = await startWorld();
  const [alice, first] = [await sealing(world, 'alice'), await sealing(world, 'bob')];
  const conversationId = await direct(alice.app, first.app);
  await alice.app.client.encryption.verify('bob');
  await first.app.client.disconnect();
  const bob = await caller(world.join, 'bob', SEALING);
  await bob.app.client.encryption.takeOver();
  await alice.app.next('encryption:keys-changed');
  const ours = await alice.app.client.calls.start({ conversationId, type: 'audio', calleeIds: ['bob'] });
  const told = new Promise((resolve) => ours.on('error', resolve));
  const theirs = await rings(bob);
  await theirs.accept();
  expect(await told).toMatchObject({ code: 'E2EE_IDENTITY_CHANGED' });
  expect([...alice.platform.links.sealed]).toEqual(['bob']);
  await Promise.all([becomes(ours, 'connected'), becomes(theirs, 'connected')]);
  expect(bob.platform.links.keys).toEqual([]);
});

test('a device that is not the active one calls without, and the app hears why', async () => {
  const world = await startWorld();
  const [alice, first] = [await sealing(world, 'alice'), await sealing(world, 'bob')];
  const conversationId = await direct(alice.app, first.app);
  await first.app.client.disconnect();
  const bob = await caller(world.join, 'bob', SEALING);
  const permission = bob.platform.ask();
  const starting = bob.app.client.calls.start({ conversationId, type: 'audio', calleeIds: ['alice'] });
  await expect.poll(() => bob.app.client.calls.active, { interval: 1 }).toBeDefined();
  const told = new Promise((resolve) => bob.app.client.calls.active?.on('error', resolve));
  permission.resolve();
  const ours = await starting;
  expect(await told).toMatchObject({ code: 'E2EE_OTHER_DEVICE' });
  const theirs = await rings(alice);
  await theirs.accept();
  await Promise.all([becomes(ours, 'connected'), becomes(theirs, 'connected')]);
  expect(encryptedIn(ours)).toEqual([false]);
});

test('without the option `encryption` it is a mistake', async () => {
  const world = await startWorld();
  const options: CommClientOptions = { calls: { mediaEncryption: true } };
  expect(() => world.app('alice', options)).toThrow(TypeError);
});
