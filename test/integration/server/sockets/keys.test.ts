import { expect, test } from 'vitest';
import type { KeyBundle } from '../../../../src/protocol/encryption.ts';
import type { CheckedClient } from '../../../helpers/server/checked-client.ts';
import { startServer, type TestServer } from '../../../helpers/server/comm-server.ts';
import { keyBundle, newIdentity } from '../../../helpers/server/keys.ts';

/** Alice and bob, who share a conversation. */
async function pair(server: TestServer): Promise<[alice: CheckedClient, bob: CheckedClient]> {
  const alice = await server.connect('alice');
  const bob = await server.connect('bob');
  await alice.ask('conversation:create', { type: 'direct', participantIds: ['bob'] });
  return [alice, bob];
}

test('of fifty requests at once no two get the same one-time prekey', async () => {
  await using server = await startServer();
  const [alice, bob] = await pair(server);
  const bundle = keyBundle(40);
  await bob.ask('encryption:upload-keys', bundle);

  const answers = await Promise.all(
    Array.from({ length: 50 }, () => alice.ask('encryption:request-keys', { recipientId: 'bob' })),
  );
  const taken = answers.flatMap(({ oneTimePreKey }) => (oneTimePreKey === undefined ? [] : [oneTimePreKey.keyId]));
  expect(taken.toSorted((a, b) => a - b)).toEqual(bundle.oneTimePreKeys.map(({ keyId }) => keyId));
  expect(new Set(answers.map(({ identityKey }) => identityKey))).toEqual(new Set([bundle.identityKey]));
  await bob.settled();
  expect(bob.payloads('encryption:keys-depleted')).toEqual([{ userId: 'bob' }]);
});

test('uploading again replaces every one-time prekey, and running out is told anew', async () => {
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

test('looking at the own bundle takes no prekey', async () => {
  await using server = await startServer();
  const [alice, bob] = await pair(server);
  await bob.ask('encryption:upload-keys', keyBundle(1));
  expect((await bob.ask('encryption:request-keys', { recipientId: 'bob' })).oneTimePreKey).toBeUndefined();
  expect((await alice.ask('encryption:request-keys', { recipientId: 'bob' })).oneTimePreKey).toBeDefined();
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
  ['the same key id twice', { ...good, oneTimePreKeys: [...good.oneTimePreKeys, ...good.oneTimePreKeys] }],
])('a bundle with %s is refused and leaves the old one', async (_, bundle) => {
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

test('a session begins at every device of the recipient, under the name of who really sent it', async () => {
  await using server = await startServer();
  const [alice, bob] = await pair(server);
  const phone = await server.connectBase('bob');
  await alice.ask('encryption:session-init', { recipientId: 'bob', sessionId: 's1', envelope });
  for (const device of [bob, phone]) {
    expect(await device.next('encryption:session-init')).toEqual({ senderId: 'alice', sessionId: 's1', envelope });
  }
});

test.each([
  ['FORBIDDEN', 'in the name of somebody else', { senderId: 'carol' }],
  ['INVALID', 'for another recipient', { recipientId: 'carol' }],
  ['INVALID', 'of another session', { sessionId: 's2' }],
])('%s: an envelope %s is not relayed', async (code, _, change) => {
  await using server = await startServer();
  const [alice, bob] = await pair(server);
  const request = { recipientId: 'bob', sessionId: 's1', envelope: { ...envelope, ...change } };
  expect(await alice.refused('encryption:session-init', request)).toMatchObject({ code });
  await bob.settled();
  expect(bob.events).not.toContain('encryption:session-init');
});

test('the base protocol is answered by its own pushes', async () => {
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
