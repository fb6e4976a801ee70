import { afterEach, expect, test } from 'vitest';
import { memoryStorage, type CallSession, type CommClientOptions } from '../../../../src/index.ts';
import { resourceCounters } from '../../../../src/client/calls/webrtc/resource-counters.ts';
import { until } from '../../../helpers/client/app.ts';
import {
  becomes,
  caller,
  heldResources,
  NO_RESOURCES,
  incomingCall,
  type Caller,
} from '../../../helpers/client/caller.ts';
import { direct, group, startWorld, type World } from '../../../helpers/client/world.ts';

const ENCRYPTION_OPTIONS = { mediaEncryption: true, encryption: {} } as const;

async function encryptingCaller(
  world: World,
  userId: string,
  more: Parameters<typeof caller>[2] = {},
): Promise<Caller> {
  const made = await caller(world.join, userId, { ...ENCRYPTION_OPTIONS, ...more });
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
  const theirs = await incomingCall(to);
  await theirs.accept();
  await Promise.all([becomes(ours, 'connected'), becomes(theirs, 'connected')]);
  return [ours, theirs];
}

/** Resolves with a key that was received from a user. */
function keyFrom({ platform }: Caller, userId: string, keyId = 0): Promise<Uint8Array> {
  const { keys } = platform.backend;
  return expect
    .poll(() => keys.some((each) => each.from.userId === userId && each.keyId === keyId), { interval: 1 })
    .toBe(true)
    .then(() => keys.find((each) => each.from.userId === userId && each.keyId === keyId)?.secret ?? new Uint8Array());
}

const encryptedIn = (...calls: CallSession[]): boolean[] => calls.map((call) => call.getSnapshot().encrypted);

afterEach(() => {
  expect(resourceCounters).toEqual({ connections: 0, tracks: 0, timers: 0, listeners: 0, workers: 0 });
});

test('both sides receive the key of the other device in the call and report it as encrypted', async () => {
  const world = await startWorld();
  const [alice, bob] = [await encryptingCaller(world, 'alice'), await encryptingCaller(world, 'bob')];
  const [ours, theirs] = await talk(alice, bob, await direct(alice.app, bob.app));
  expect(await keyFrom(bob, 'alice')).toEqual(alice.platform.backend.ownKey.secret);
  expect(await keyFrom(alice, 'bob')).toEqual(bob.platform.backend.ownKey.secret);
  expect(bob.platform.backend.keys[0]?.from).toEqual(alice.platform.backend.context?.self);
  expect(encryptedIn(ours, theirs)).toEqual([true, true]);
  ours.hangup();
  await theirs.ended;
  await expect.poll(() => [heldResources(alice), heldResources(bob)]).toEqual([NO_RESOURCES, NO_RESOURCES]);
  expect(encryptedIn(ours, theirs)).toEqual([false, false]);
});

test('if only one side enables encryption, no keys are sent and both sides report it as unencrypted', async () => {
  const world = await startWorld();
  const [alice, bob] = [
    await encryptingCaller(world, 'alice'),
    await encryptingCaller(world, 'bob', { mediaEncryption: false }),
  ];
  const [ours, theirs] = await talk(alice, bob, await direct(alice.app, bob.app));
  expect(encryptedIn(ours, theirs)).toEqual([false, false]);
  expect([alice.platform.backend.encrypted.size, bob.app.port.sent.includes('encryption:session-init')]).toEqual([
    0,
    false,
  ]);
  expect(alice.app.port.sent).not.toContain('encryption:session-init');
});

test('a browser without frame encryption does not announce support', async () => {
  const world = await startWorld();
  const [alice, bob] = [await encryptingCaller(world, 'alice'), await encryptingCaller(world, 'bob')];
  bob.platform.supportsFrameEncryption = false;
  const [ours, theirs] = await talk(alice, bob, await direct(alice.app, bob.app));
  expect(encryptedIn(ours, theirs)).toEqual([false, false]);
});

/** Removes the announcement of media encryption of some users from a server message. */
function strip(message: unknown, userIds: readonly string[]): unknown {
  return JSON.parse(JSON.stringify(message), (_, value: unknown) => {
    const isTheirs = typeof value === 'object' && value !== null && 'userId' in value && 'mediaEncryption' in value;
    if (!isTheirs || !userIds.includes(String(value.userId))) return value;
    return { ...value, mediaEncryption: undefined };
  });
}

test('a server that does not relay the announcements prevents encryption, and both sides report it as unencrypted', async () => {
  const world = await startWorld();
  const [alice, bob] = [await encryptingCaller(world, 'alice'), await encryptingCaller(world, 'bob')];
  for (const { app } of [alice, bob]) app.port.bends = (message) => strip(message, ['bob']);
  const [ours, theirs] = await talk(alice, bob, await direct(alice.app, bob.app));
  expect(encryptedIn(ours, theirs)).toEqual([false, false]);
  expect([alice, bob].map(({ platform }) => platform.backend.encrypted.size)).toEqual([0, 0]);
});

test('a server that relays only one announcement receives no unencrypted frames from the side that saw both', async () => {
  const world = await startWorld();
  const [alice, bob] = [await encryptingCaller(world, 'alice'), await encryptingCaller(world, 'bob')];
  alice.app.port.bends = (message) => strip(message, ['bob']);
  const [ours, theirs] = await talk(alice, bob, await direct(alice.app, bob.app));
  expect(encryptedIn(ours, theirs)).toEqual([false, true]);
  expect([...bob.platform.backend.encrypted]).toEqual(['alice']);
  expect(alice.platform.backend.keys).toEqual([]);
});

test('a key of an earlier call is ignored', async () => {
  const world = await startWorld();
  const [alice, bob] = [await encryptingCaller(world, 'alice'), await encryptingCaller(world, 'bob')];
  const conversationId = await direct(alice.app, bob.app);
  const [, before] = await talk(alice, bob, conversationId);
  const { keys } = bob.platform.backend.context ?? {};
  before.hangup();
  await expect.poll(() => alice.app.client.calls.active, { interval: 1 }).toBeUndefined();
  await talk(alice, bob, conversationId);
  const key = await keyFrom(alice, 'bob');
  const self = alice.platform.backend.context?.self ?? { userId: 'alice' };
  await keys?.send(self, { keyId: 1, secret: new Uint8Array(32) });
  const hello = bob.app.client.messages.send({ conversationId, content: 'behind it', encrypt: true });
  await alice.app.next('message:new', ({ content }) => content === 'behind it');
  await hello;
  expect(alice.platform.backend.keys.map(({ secret }) => secret)).toEqual([key]);
});

test('a key that another window of the same user reads first still reaches the window in the call', async () => {
  const world = await startWorld();
  const storage = memoryStorage();
  const alice = await encryptingCaller(world, 'alice');
  const [bob, other] = [
    await encryptingCaller(world, 'bob', { storage }),
    await encryptingCaller(world, 'bob', { storage }),
  ];
  const conversationId = await direct(alice.app, bob.app);
  // From here on nothing but keys comes on the session.
  await alice.app.client.messages.send({ conversationId, content: 'hello', encrypt: true });
  await alice.app.sessionWith('bob');
  const ours = await alice.app.client.calls.start({ conversationId, type: 'audio', calleeIds: ['bob'] });
  const theirs = await incomingCall(bob);
  const releaseTrack = bob.app.port.hold();
  await theirs.accept();
  await expect.poll(() => other.app.port.sent, { interval: 1 }).toContain('encryption:mailbox-ack');
  releaseTrack();
  expect(await keyFrom(bob, 'alice')).toEqual(alice.platform.backend.ownKey.secret);
  await Promise.all([becomes(ours, 'connected'), becomes(theirs, 'connected')]);
  expect(encryptedIn(ours, theirs)).toEqual([true, true]);
});

test('a peer who lost the session receives the key again on a new session', async () => {
  const world = await startWorld();
  const storage = memoryStorage();
  const [alice, bob] = [await encryptingCaller(world, 'alice'), await encryptingCaller(world, 'bob', { storage })];
  const conversationId = await direct(alice.app, bob.app);
  await alice.app.client.messages.send({ conversationId, content: 'hello', encrypt: true });
  await alice.app.sessionWith('bob');
  const ours = await alice.app.client.calls.start({ conversationId, type: 'audio', calleeIds: ['bob'] });
  const theirs = await incomingCall(bob);
  const sessions = await storage.list('bob/e2ee/h/peer/');
  await storage.transact([], () => ({ writes: new Map(sessions.map(([key]) => [key, undefined])), result: undefined }));
  await theirs.accept();
  expect(await keyFrom(bob, 'alice')).toEqual(alice.platform.backend.ownKey.secret);
  await Promise.all([becomes(ours, 'connected'), becomes(theirs, 'connected')]);
});

test('when a participant leaves, the others rotate their keys and do not send them to that participant', async () => {
  const world = await startWorld();
  const [alice, bob, carol] = [
    await encryptingCaller(world, 'alice'),
    await encryptingCaller(world, 'bob'),
    await encryptingCaller(world, 'carol'),
  ];
  const conversationId = await group(alice.app, bob.app, carol.app);
  const calleeIds = ['bob', 'carol'];
  const ours = await alice.app.client.calls.start({ conversationId, type: 'audio', calleeIds });
  for (const each of [bob, carol]) await (await incomingCall(each)).accept();
  for (const each of [alice, bob]) await keyFrom(each, 'carol');
  await Promise.all([keyFrom(carol, 'alice'), keyFrom(carol, 'bob')]);
  const carols = carol.platform.backend;
  carol.app.client.calls.active?.hangup();
  expect(await keyFrom(bob, 'alice', 1)).toEqual(alice.platform.backend.ownKey.secret);
  expect(await keyFrom(alice, 'bob', 1)).toEqual(bob.platform.backend.ownKey.secret);
  expect(carols.keys.map(({ keyId }) => keyId)).toEqual([0, 0]);
  expect(ours.getSnapshot().encrypted).toBe(true);
});

test('if one of three participants does not support it, the call is unencrypted although the link between the other two is encrypted', async () => {
  const world = await startWorld();
  const [alice, bob, carol] = [
    await encryptingCaller(world, 'alice'),
    await encryptingCaller(world, 'bob'),
    await caller(world.join, 'carol'),
  ];
  const conversationId = await group(alice.app, bob.app, carol.app);
  const ours = await alice.app.client.calls.start({ conversationId, type: 'audio', calleeIds: ['bob', 'carol'] });
  await (await incomingCall(bob)).accept();
  await keyFrom(alice, 'bob');
  await until(ours, ({ encrypted }) => encrypted);
  const theirs = await incomingCall(carol);
  await theirs.accept();
  await until(ours, ({ encrypted }) => !encrypted);
  await becomes(theirs, 'connected');
  expect([...alice.platform.backend.encrypted]).toEqual(['bob']);
});

test('a peer whose changed identity is not accepted receives no key; the app is notified and nothing is sent unencrypted', async () => {
  const world = await startWorld();
  const [alice, first] = [await encryptingCaller(world, 'alice'), await encryptingCaller(world, 'bob')];
  const conversationId = await direct(alice.app, first.app);
  await alice.app.client.encryption.verify('bob', await alice.app.client.encryption.safetyNumber('bob'));
  await first.app.client.disconnect();
  const bob = await caller(world.join, 'bob', ENCRYPTION_OPTIONS);
  await bob.app.client.encryption.takeOver();
  await alice.app.pushed('encryption:keys-changed');
  const ours = await alice.app.client.calls.start({ conversationId, type: 'audio', calleeIds: ['bob'] });
  const message = new Promise((resolve) => ours.on('error', resolve));
  const theirs = await incomingCall(bob);
  await theirs.accept();
  expect(await message).toMatchObject({ code: 'E2EE_IDENTITY_CHANGED' });
  expect([...alice.platform.backend.encrypted]).toEqual(['bob']);
  await Promise.all([becomes(ours, 'connected'), becomes(theirs, 'connected')]);
  expect(bob.platform.backend.keys).toEqual([]);
});

test('an inactive device calls without encryption, and the app receives the reason', async () => {
  const world = await startWorld();
  const [alice, first] = [await encryptingCaller(world, 'alice'), await encryptingCaller(world, 'bob')];
  const conversationId = await direct(alice.app, first.app);
  await first.app.client.disconnect();
  const bob = await caller(world.join, 'bob', ENCRYPTION_OPTIONS);
  const permission = bob.platform.withholdPermission();
  const starting = bob.app.client.calls.start({ conversationId, type: 'audio', calleeIds: ['alice'] });
  await expect.poll(() => bob.app.client.calls.active, { interval: 1 }).toBeDefined();
  const message = new Promise((resolve) => bob.app.client.calls.active?.on('error', resolve));
  permission.resolve();
  const ours = await starting;
  expect(await message).toMatchObject({ code: 'E2EE_OTHER_DEVICE' });
  const theirs = await incomingCall(alice);
  await theirs.accept();
  await Promise.all([becomes(ours, 'connected'), becomes(theirs, 'connected')]);
  expect(encryptedIn(ours)).toEqual([false]);
});

test('mediaEncryption without the option `encryption` is a TypeError', async () => {
  const world = await startWorld();
  const options: CommClientOptions = { calls: { mediaEncryption: true } };
  expect(() => world.app('alice', options)).toThrow(TypeError);
});
