import { expect, test } from 'vitest';
import { identityOf } from '../../../../src/client/encryption/identity.ts';
import { encryptTo, newPeer, type Own } from '../../../../src/client/encryption/peer-sessions.ts';
import { startWith } from '../../../../src/client/encryption/session-start.ts';
import { NO_PREKEYS, type OwnPreKey } from '../../../../src/client/encryption/prekeys.ts';
import { dhKeyPair, sha256 } from '../../../../src/client/encryption/primitives.ts';
import { receive } from '../../../../src/client/encryption/receive.ts';
import { ascii, bytesOf, hex, must, NOW, randomFrom, textOf } from './users.ts';

// The vector of the page that defines NKC1.
const preKey = (byte: number): OwnPreKey => ({ id: 1, ...dhKeyPair(bytesOf(byte)), at: NOW });
const alice: Own = { userId: 'alice', identity: identityOf(bytesOf(1)), preKeys: NO_PREKEYS };
const bob: Own = {
  userId: 'bob',
  identity: identityOf(bytesOf(2)),
  preKeys: { ...NO_PREKEYS, signed: [preKey(3)], oneTime: [preKey(4)] },
};
const bundle = {
  userId: 'bob',
  identityKey: bob.identity.publicKey,
  signedPreKey: preKey(3),
  oneTimePreKey: preKey(4),
};

const started = must(startWith(newPeer('bob'), alice, bundle, randomFrom(bytesOf(5), bytesOf(6)), NOW));
const first = must(encryptTo(started.peer, alice, ascii('hello'), randomFrom(bytesOf(7, 16))));
const second = must(encryptTo(first.peer, alice, ascii('world'), randomFrom(bytesOf(8, 16))));
const digest = (text: string): string => hex(sha256(Buffer.from(text, 'base64')));

test('the agreement names its session as in the vector', () => {
  expect(started.sessionId).toBe('JylVQFW_H9Voz-ysG11epQ');
  expect(hex(started.peer.primary?.transcript ?? bytesOf(0))).toBe(
    '2729554055bf1fd568cfecac1b5d5ea5415210d0c5d05cc7bb1ceff97c51d0c3',
  );
});

test('the root key after the first step is that of the vector', () => {
  expect(hex(started.peer.primary?.ratchet.root ?? bytesOf(0))).toBe(
    '8b426b70ec18d9bd8fef69c7c1ba14bf187a153c8227c6e33bd2a71243106c3f',
  );
});

test('both messages are those of the vector, byte for byte', () => {
  expect(Buffer.from(first.envelope.ciphertext, 'base64')).toHaveLength(334);
  expect(digest(first.envelope.ciphertext)).toBe('01838091ac1df66c867f25e728e727754bcfe913dcbf848e0605ad4c1e83ca7e');
  expect(digest(second.envelope.ciphertext)).toBe('c3ee8eb06c76328a69df4deca2d4021e64c0fd32dfc8fd5d0a165c617c8ddcfa');
  expect(first.envelope).toMatchObject({
    senderId: 'alice',
    recipientId: 'bob',
    sessionId: 'JylVQFW_H9Voz-ysG11epQ',
    messageType: 'prekey',
    senderIdentityKey: Buffer.from(alice.identity.publicKey).toString('base64'),
    senderEphemeralKey: Buffer.from(dhKeyPair(bytesOf(5)).publicKey).toString('base64'),
    usedOneTimePreKeyId: 1,
  });
});

test('the other side reads both', () => {
  const one = must(receive(newPeer('alice'), bob, first.envelope, NOW));
  const two = must(receive(one.peer, bob, second.envelope, NOW));
  expect([one, two].map(({ plaintext }) => textOf(plaintext))).toEqual(['hello', 'world']);
  expect(one.started).toEqual({ signedPreKeyId: 1, oneTimePreKeyId: 1 });
});
