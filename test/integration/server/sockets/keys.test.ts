import { expect, test } from 'vitest';
import type { KeyBundle } from '../../../../src/protocol/encryption.ts';
import { manualClock } from '../../../helpers/manual-clock.ts';
import type { CheckedClient } from '../../../helpers/server/checked-client.ts';
import { startServer, type TestServer } from '../../../helpers/server/comm-server.ts';
import { keyBundle, newIdentity } from '../../../helpers/server/keys.ts';

/** Writes in a conversation, so that bob knows its members. */
async function write(bob: CheckedClient, conversationId: string): Promise<void> {
  await bob.ask('message:send', { conversationId, content: 'hello', type: 'text' });
}

/** Alice and bob, who share a conversation in which bob has written. */
async function pair(server: TestServer): Promise<[alice: CheckedClient, bob: CheckedClient]> {
  const alice = await server.connect('alice');
  const bob = await server.connect('bob');
  const { id } = await alice.ask('conversation:create', { type: 'direct', participantIds: ['bob'] });
  await write(bob, id);
  return [alice, bob];
}

test('fifty concurrent requests get fifty different one-time prekeys', async () => {
  await using server = await startServer();
  const [alice, bob] = await pair(server);
  const carol = await server.connect('carol');
  const dave = await server.connect('dave');
  const { id } = await bob.ask('conversation:create', { type: 'group', participantIds: ['carol', 'dave'] });
  await write(bob, id);
  const bundle = keyBundle(40);
  await bob.ask('encryption:upload-keys', bundle);

  const callers = Array.from({ length: 50 }, (_, index) => [alice, carol, dave][index % 3] ?? alice);
  const answers = await Promise.all(
    callers.map((caller) => caller.ask('encryption:request-keys', { recipientId: 'bob' })),
  );
  const taken = answers.flatMap(({ oneTimePreKey }) => (oneTimePreKey === undefined ? [] : [oneTimePreKey.keyId]));
  expect(taken.toSorted((a, b) => a - b)).toEqual(bundle.oneTimePreKeys.map(({ keyId }) => keyId));
  expect(new Set(answers.map(({ identityKey }) => identityKey))).toEqual(new Set([bundle.identityKey]));
  await bob.settled();
  expect(bob.payloads('encryption:keys-depleted')).toEqual([{ userId: 'bob' }]);
});

test('an upload replaces all one-time prekeys, and depletion is pushed again', async () => {
  await using server = await startServer();
  const [alice, bob] = await pair(server);
  await bob.ask('encryption:upload-keys', keyBundle(5));
  const second = keyBundle(1);
  expect(await bob.ask('encryption:upload-keys', second)).toEqual({ userId: 'bob', keyCount: 1 });

  const { oneTimePreKey, identityKey } = await alice.ask('encryption:request-keys', { recipientId: 'bob' });
  expect({ oneTimePreKey, identityKey }).toEqual({
    oneTimePreKey: second.oneTimePreKeys[0],
    identityKey: second.identityKey,
  });
  await bob.next('encryption:keys-depleted');
  expect((await alice.ask('encryption:request-keys', { recipientId: 'bob' })).oneTimePreKey).toBeUndefined();

  await bob.ask('encryption:upload-keys', keyBundle(1));
  await alice.ask('encryption:request-keys', { recipientId: 'bob' });
  await bob.next('encryption:keys-depleted');
});

test("requesting one's own bundle takes no one-time prekey", async () => {
  await using server = await startServer();
  const [alice, bob] = await pair(server);
  await bob.ask('encryption:upload-keys', keyBundle(1));
  expect((await bob.ask('encryption:request-keys', { recipientId: 'bob' })).oneTimePreKey).toBeUndefined();
  expect((await alice.ask('encryption:request-keys', { recipientId: 'bob' })).oneTimePreKey).toBeDefined();
});

test("a repeated upload doesn't restore a one-time prekey that was handed out", async () => {
  await using server = await startServer();
  const [alice, bob] = await pair(server);
  const bundle = keyBundle(3);
  await bob.ask('encryption:upload-keys', bundle);
  const { oneTimePreKey: first } = await alice.ask('encryption:request-keys', { recipientId: 'bob' });
  expect(await bob.ask('encryption:upload-keys', bundle)).toEqual({ userId: 'bob', keyCount: 2 });
  expect(await bob.ask('encryption:upload-keys', bundle)).toEqual({ userId: 'bob', keyCount: 2 });
  const { oneTimePreKey: second } = await alice.ask('encryption:request-keys', { recipientId: 'bob' });
  expect([first, second]).toEqual(bundle.oneTimePreKeys.slice(0, 2));
});

test('a client that was offline learns of the depletion when it connects', async () => {
  await using server = await startServer();
  const [alice, bob] = await pair(server);
  await bob.ask('encryption:upload-keys', keyBundle(1));
  bob.close();
  await alice.ask('encryption:request-keys', { recipientId: 'bob' });
  const again = await server.connect('bob');
  expect(await again.next('encryption:keys-depleted')).toEqual({ userId: 'bob' });
  await again.ask('encryption:upload-keys', keyBundle(1));
  again.close();
  const stocked = await server.connect('bob');
  await stocked.settled();
  expect(stocked.events).not.toContain('encryption:keys-depleted');
  // Who has published nothing has nothing to publish again.
  expect(alice.events).not.toContain('encryption:keys-depleted');
});

test("one caller can't drain the one-time prekeys of a user, and still gets keys", async () => {
  const clock = manualClock();
  await using server = await startServer({ clock });
  const [alice, bob] = await pair(server);
  const carol = await server.connect('carol');
  await carol.ask('conversation:create', { type: 'direct', participantIds: ['bob'] });
  const bundle = keyBundle(90);
  await bob.ask('encryption:upload-keys', bundle);
  const take = async (caller: CheckedClient) =>
    (await caller.ask('encryption:request-keys', { recipientId: 'bob' })).oneTimePreKey?.keyId;
  const taken = await Promise.all(Array.from({ length: 90 }, () => take(alice)));
  expect(taken.filter((id) => id !== undefined)).toHaveLength(50);
  expect(await take(carol)).toBe(51);
  clock.advance(3_600_000);
  expect([await take(alice), await take(alice)]).toEqual([52, undefined]);
  await bob.settled();
  expect(bob.events).not.toContain('encryption:keys-depleted');
});

test("accounts that share only unanswered conversations with a user can't drain the last one-time prekeys", async () => {
  const clock = manualClock();
  await using server = await startServer({ clock });
  const [alice, bob] = await pair(server);
  const bundle = keyBundle(200);
  await bob.ask('encryption:upload-keys', bundle);
  const take = async (caller: CheckedClient) =>
    (await caller.ask('encryption:request-keys', { recipientId: 'bob' })).oneTimePreKey?.keyId;
  /** Takes as much as five new accounts can. */
  const attack = async (round: number): Promise<number> => {
    let taken = 0;
    for (let index = 0; index < 5; index += 1) {
      const attacker = await server.connect(`attacker ${round} ${index}`);
      await attacker.ask('conversation:create', { type: 'group', participantIds: ['bob', 'alice'] });
      const answers = await Promise.all(Array.from({ length: 50 }, () => take(attacker)));
      taken += answers.filter((id) => id !== undefined).length;
    }
    return taken;
  };
  // The attackers use up what strangers may take at once, which leaves the share of known users.
  expect(await attack(1)).toBe(100);
  expect(await take(alice)).toBe(101);
  expect(bob.events).not.toContain('encryption:keys-depleted');
  // Later they take all but the reserve; bob is told once.
  clock.advance(3_600_000);
  expect(await attack(2)).toBe(59);
  await bob.next('encryption:keys-depleted');
  expect(await take(alice)).toBe(161);
  await bob.settled();
  expect(bob.payloads('encryption:keys-depleted')).toHaveLength(1);
});

test('keys outlive the connection of their owner', async () => {
  await using server = await startServer();
  const [alice, bob] = await pair(server);
  await bob.ask('encryption:upload-keys', keyBundle(1));
  bob.close();
  expect(await alice.ask('encryption:request-keys', { recipientId: 'bob' })).toMatchObject({ recipientId: 'bob' });
});

const identity = newIdentity();
const good = keyBundle(1, identity);
const flipped = Buffer.from(good.signedPreKeySignature, 'base64');
flipped[0] = (flipped[0] ?? 0) ^ 1;

/** Another base64 text of the same bytes: two bits of the last character are unused. */
function respelled(base64: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  const last = alphabet.indexOf(base64.at(-2) ?? '');
  return `${base64.slice(0, -2)}${alphabet[last + 1] ?? ''}=`;
}

/** Well signed, but every secret makes zeros of it. */
function lowOrderBundle(): KeyBundle {
  const zero = Buffer.alloc(32);
  return {
    ...good,
    signedPreKey: { keyId: 1, publicKey: zero.toString('base64') },
    signedPreKeySignature: identity.sign(zero).toString('base64'),
  };
}

test.each<[why: string, bundle: KeyBundle]>([
  ['a signature of something else', { ...good, signedPreKey: keyBundle(0).signedPreKey }],
  ['a signature with a flipped bit', { ...good, signedPreKeySignature: flipped.toString('base64') }],
  ['a signature by another identity', { ...good, identityKey: newIdentity().identityKey.toString('base64') }],
  // Under this point any message has a signature that holds: R is the identity too, and S is 0.
  [
    'an identity key of small order',
    {
      ...good,
      identityKey: Buffer.concat([Buffer.from([1]), Buffer.alloc(31)]).toString('base64'),
      signedPreKeySignature: Buffer.concat([Buffer.from([1]), Buffer.alloc(63)]).toString('base64'),
    },
  ],
  ['a signed prekey that shares no secret', lowOrderBundle()],
  [
    'a signed prekey of 31 bytes',
    { ...good, signedPreKey: { keyId: 1, publicKey: Buffer.alloc(31).toString('base64') } },
  ],
  ['a key in base64 that has a second form', { ...good, identityKey: respelled(good.identityKey) }],
  ['the same key id twice', { ...good, oneTimePreKeys: [...good.oneTimePreKeys, ...good.oneTimePreKeys] }],
])('a bundle with %s is rejected, and the old one stays', async (_, bundle) => {
  await using server = await startServer();
  const [alice, bob] = await pair(server);
  await bob.ask('encryption:upload-keys', good);
  expect(await bob.refused('encryption:upload-keys', bundle)).toMatchObject({ code: 'INVALID' });
  expect(await alice.ask('encryption:request-keys', { recipientId: 'bob' })).toMatchObject({
    identityKey: good.identityKey,
    signedPreKeySignature: good.signedPreKeySignature,
  });
});

const envelope = {
  senderId: 'alice',
  recipientId: 'bob',
  sessionId: 's1',
  ciphertext: 'AAAA',
  messageType: 'prekey',
  senderIdentityKey: good.identityKey,
} as const;

test('session-init reaches every device of the recipient with the real sender', async () => {
  await using server = await startServer();
  const [alice, bob] = await pair(server);
  const phone = await server.connectBase('bob');
  await alice.ask('encryption:session-init', { recipientId: 'bob', sessionId: 's1', envelope });
  const push = { senderId: 'alice', sessionId: 's1', envelope };
  expect(await bob.next('encryption:session-init')).toEqual({ ...push, mailboxId: expect.any(String) as string });
  expect(await phone.next('encryption:session-init')).toEqual(push);
});

test.each([
  ['FORBIDDEN', 'in the name of another user', { senderId: 'carol' }],
  ['INVALID', 'for another recipient', { recipientId: 'carol' }],
  ['INVALID', 'of another session', { sessionId: 's2' }],
])('%s: an envelope %s is rejected', async (code, _, change) => {
  await using server = await startServer();
  const [alice, bob] = await pair(server);
  const request = { recipientId: 'bob', sessionId: 's1', envelope: { ...envelope, ...change } };
  expect(await alice.refused('encryption:session-init', request)).toMatchObject({ code });
  await bob.settled();
  expect(bob.events).not.toContain('encryption:session-init');
});

test("base clients are answered by the base protocol's pushes", async () => {
  await using server = await startServer();
  const [alice] = await pair(server);
  const bob = await server.connectBase('bob');
  bob.emit('encryption:upload-keys', good);
  expect(await bob.next('encryption:keys-uploaded')).toEqual({ userId: 'bob', keyCount: 1 });
  await alice.ask('encryption:upload-keys', keyBundle(1));
  bob.emit('encryption:request-keys', { recipientId: 'alice' });
  expect(await bob.next('encryption:keys-response')).toMatchObject({ recipientId: 'alice' });
  bob.emit('file:request-upload', { conversationId: 'c', mimeType: 'image/png', size: 1, fileName: 'a.png' });
  expect(await bob.next('file:upload-error')).toMatchObject({ code: 'UNSUPPORTED' });
});
