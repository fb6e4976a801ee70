import { expect, test } from 'vitest';
import { identityKeyPairFromSeed } from '../../../../../src/client/encryption/nkc1/identity-key.ts';
import { newSessionRecord, type LocalParty } from '../../../../../src/client/encryption/nkc1/session-record.ts';
import { EMPTY_PREKEY_STATE, type PreKeyRecord } from '../../../../../src/client/encryption/nkc1/prekey-state.ts';
import { x25519KeyPair, sha256 } from '../../../../../src/client/encryption/nkc1/primitives.ts';
import { ascii, bytesOf, hex, unwrap, NOW, randomFrom, textOf } from './parties.ts';
import { SessionBuilder } from '../../../../../src/client/encryption/nkc1/session-builder.ts';
import { SessionCipher } from '../../../../../src/client/encryption/nkc1/session-cipher.ts';

// The test vector of the NKC1 specification.
const preKey = (byte: number): PreKeyRecord => ({ id: 1, ...x25519KeyPair(bytesOf(byte)), createdAt: NOW });
const alice: LocalParty = {
  userId: 'alice',
  identity: identityKeyPairFromSeed(bytesOf(1)),
  preKeys: EMPTY_PREKEY_STATE,
};
const bob: LocalParty = {
  userId: 'bob',
  identity: identityKeyPairFromSeed(bytesOf(2)),
  preKeys: { ...EMPTY_PREKEY_STATE, signedPreKeys: [preKey(3)], oneTimePreKeys: [preKey(4)] },
};
const bundle = {
  userId: 'bob',
  identityKey: bob.identity.publicKey,
  signedPreKey: preKey(3),
  oneTimePreKey: preKey(4),
};

const started = unwrap(
  SessionBuilder.initiate(newSessionRecord('bob'), alice, bundle, randomFrom(bytesOf(5), bytesOf(6)), NOW),
);
const first = unwrap(SessionCipher.encrypt(started.record, alice, ascii('hello'), randomFrom(bytesOf(7, 16))));
const second = unwrap(SessionCipher.encrypt(first.record, alice, ascii('world'), randomFrom(bytesOf(8, 16))));
const digest = (text: string): string => hex(sha256(Buffer.from(text, 'base64')));

test('transcript hash and session id equal the vector', () => {
  expect(started.sessionId).toBe('JylVQFW_H9Voz-ysG11epQ');
  expect(hex(started.record.primary?.transcript ?? bytesOf(0))).toBe(
    '2729554055bf1fd568cfecac1b5d5ea5415210d0c5d05cc7bb1ceff97c51d0c3',
  );
});

test('the root key after the first ratchet step equals the vector', () => {
  expect(hex(started.record.primary?.ratchet.rootKey ?? bytesOf(0))).toBe(
    '8b426b70ec18d9bd8fef69c7c1ba14bf187a153c8227c6e33bd2a71243106c3f',
  );
});

test('both messages equal the vector byte for byte', () => {
  expect(Buffer.from(first.envelope.ciphertext, 'base64')).toHaveLength(334);
  expect(digest(first.envelope.ciphertext)).toBe('01838091ac1df66c867f25e728e727754bcfe913dcbf848e0605ad4c1e83ca7e');
  expect(digest(second.envelope.ciphertext)).toBe('c3ee8eb06c76328a69df4deca2d4021e64c0fd32dfc8fd5d0a165c617c8ddcfa');
  expect(first.envelope).toMatchObject({
    senderId: 'alice',
    recipientId: 'bob',
    sessionId: 'JylVQFW_H9Voz-ysG11epQ',
    messageType: 'prekey',
    senderIdentityKey: Buffer.from(alice.identity.publicKey).toString('base64'),
    senderEphemeralKey: Buffer.from(x25519KeyPair(bytesOf(5)).publicKey).toString('base64'),
    usedOneTimePreKeyId: 1,
  });
});

test('the recipient decrypts both messages', () => {
  const one = unwrap(SessionCipher.decrypt(newSessionRecord('alice'), bob, first.envelope, NOW));
  const two = unwrap(SessionCipher.decrypt(one.record, bob, second.envelope, NOW));
  expect([one, two].map(({ plaintext }) => textOf(plaintext))).toEqual(['hello', 'world']);
  expect(one.started).toEqual({ signedPreKeyId: 1, oneTimePreKeyId: 1 });
});
