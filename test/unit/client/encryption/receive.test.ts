import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { EncryptedEnvelope } from '../../../../src/protocol/encryption.ts';
import { encodePeer } from '../../../../src/client/encryption/peer-sessions.ts';
import { signingKeyPair } from '../../../../src/client/encryption/primitives.ts';
import { acquainted, bundleOf, bytesOf, DAY, End, hex, makeUser, NOW, pair } from './users.ts';

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
const bytesIn = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'));

function withBytes(envelope: EncryptedEnvelope, change: (bytes: Uint8Array) => Uint8Array): EncryptedEnvelope {
  return { ...envelope, ciphertext: base64(change(bytesIn(envelope.ciphertext))) };
}

function flip(bytes: Uint8Array, bit: number): Uint8Array {
  const flipped = bytes.slice();
  flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return flipped;
}

/** Refused, whatever the reason, and nothing has changed: the message itself is still readable. */
function expectRefused(end: End, changed: EncryptedEnvelope): void {
  const before = hex(encodePeer(end.peer));
  expect(end.refusal(changed)).toBeTypeOf('string');
  expect(hex(encodePeer(end.peer))).toBe(before);
}

test('every bit of a message matters', () => {
  const { alice, bob } = acquainted();
  const envelope = alice.send('pay Carol 10');
  const bits = bytesIn(envelope.ciphertext).length * 8;
  for (let bit = 0; bit < bits; bit += 1)
    expectRefused(
      bob,
      withBytes(envelope, (bytes) => flip(bytes, bit)),
    );
  expect(bob.take(envelope).text).toBe('pay Carol 10');
}, 60_000);

test('of a message that starts a session every bit of the header matters, and its ciphertext and tag do', () => {
  const { alice, bob } = pair();
  const envelope = alice.send('pay Carol 10');
  const length = bytesIn(envelope.ciphertext).length;
  const bits = Array.from({ length: 62 * 8 }, (_, bit) => bit);
  for (let at = 62; at < length; at += at < length - 16 ? 16 : 1) bits.push(at * 8 + (at % 8));
  for (const bit of bits)
    expectRefused(
      bob,
      withBytes(envelope, (bytes) => flip(bytes, bit)),
    );
  expect(bob.own.preKeys.oneTime).toHaveLength(100);
  expect(bob.take(envelope).text).toBe('pay Carol 10');
  expect(bob.own.preKeys.oneTime).toHaveLength(99);
}, 60_000);

const CHANGES: readonly (readonly [title: string, change: (envelope: EncryptedEnvelope) => EncryptedEnvelope])[] = [
  ['another sender', (envelope) => ({ ...envelope, senderId: 'mallory' })],
  ['another recipient', (envelope) => ({ ...envelope, recipientId: 'mallory' })],
  ['sender and recipient swapped', (e) => ({ ...e, senderId: e.recipientId, recipientId: e.senderId })],
  ['another session', (envelope) => ({ ...envelope, sessionId: 'AAAAAAAAAAAAAAAAAAAAAA' })],
  ['no session', (envelope) => ({ ...envelope, sessionId: '' })],
  ['the other type', (e) => ({ ...e, messageType: e.messageType === 'prekey' ? 'message' : 'prekey' })],
  ['another identity', (e) => ({ ...e, senderIdentityKey: base64(signingKeyPair(bytesOf(99)).publicKey) })],
  ['an identity of small order', (e) => ({ ...e, senderIdentityKey: base64(new Uint8Array(32)) })],
  ['half an identity', (e) => ({ ...e, senderIdentityKey: e.senderIdentityKey.slice(0, 22) })],
  ['the ephemeral key of another', (e) => ({ ...e, senderEphemeralKey: base64(bytesOf(9)) })],
  ['the identity as the ephemeral key', (e) => ({ ...e, senderEphemeralKey: e.senderIdentityKey })],
  ['an ephemeral key of small order', (e) => ({ ...e, senderEphemeralKey: base64(new Uint8Array(32)) })],
  ['another one-time key', (e) => ({ ...e, usedOneTimePreKeyId: 2 })],
  ['a one-time key nobody has', (e) => ({ ...e, usedOneTimePreKeyId: 2 ** 31 - 1 })],
  ['a one-time key that can’t be', (e) => ({ ...e, usedOneTimePreKeyId: 0 })],
  ['no ciphertext', (e) => ({ ...e, ciphertext: '' })],
  ['loose base64', (e) => ({ ...e, ciphertext: ` ${e.ciphertext}` })],
  ['base64 with a line', (e) => ({ ...e, ciphertext: e.ciphertext.replace(/^.{8}/, '$&\n') })],
  ['a byte less', (e) => withBytes(e, (bytes) => bytes.slice(0, -1))],
  ['a byte more', (e) => withBytes(e, (bytes) => new Uint8Array([...bytes, 0]))],
  ['a block more', (e) => withBytes(e, (bytes) => new Uint8Array([...bytes, ...bytesOf(0, 256)]))],
  ['the header alone', (e) => withBytes(e, (bytes) => bytes.slice(0, 62))],
  ['version 2', (e) => withBytes(e, (bytes) => bytes.with(0, 2))],
  ['the type of a group', (e) => withBytes(e, (bytes) => bytes.with(1, 3))],
];

test.each(CHANGES)('a message is refused with %s', (_title, change) => {
  const { alice, bob } = acquainted();
  const envelope = alice.send('hello');
  expectRefused(bob, change(envelope));
  expect(bob.take(envelope).text).toBe('hello');
});

test.each(CHANGES)('a message that starts a session is refused with %s', (_title, change) => {
  const { alice, bob } = pair();
  const envelope = alice.send('hello');
  expectRefused(bob, change(envelope));
  expect(bob.own.preKeys.oneTime).toHaveLength(100);
  expect(bob.take(envelope).text).toBe('hello');
});

test.each(CHANGES)('a second message before any answer is refused with %s', (_title, change) => {
  const { alice, bob } = pair();
  bob.take(alice.send('hello'));
  const envelope = alice.send('again');
  expectRefused(bob, change(envelope));
  expect(bob.take(envelope).text).toBe('again');
});

test('a session without a one-time key is refused with one, and the other way round', () => {
  const { alice, bob } = pair(false);
  const envelope = alice.send('hello');
  expectRefused(bob, { ...envelope, usedOneTimePreKeyId: 1 });
  const other = pair();
  const { usedOneTimePreKeyId: _left, ...without } = other.alice.send('hello');
  expectRefused(other.bob, without);
});

test('what is no envelope at all is refused, whatever it is', () => {
  const { bob } = acquainted();
  const anything = fc.record({
    senderId: fc.constant('alice'),
    recipientId: fc.constant('bob'),
    sessionId: fc.oneof(fc.constant(bob.peer.primary?.id ?? ''), fc.string()),
    ciphertext: fc.oneof(fc.base64String(), fc.string()),
    messageType: fc.constantFrom('message' as const, 'prekey' as const),
    senderIdentityKey: fc.oneof(fc.constant(base64(bob.peer.primary?.peerIdentity ?? bytesOf(0))), fc.string()),
    senderEphemeralKey: fc.option(fc.string(), { nil: undefined }),
    usedOneTimePreKeyId: fc.option(fc.double(), { nil: undefined }),
  });
  fc.assert(fc.property(anything, (envelope) => expectRefused(bob, envelope)));
});

test('fields of the wrong type, which only a hole in the wire’s schema would let in, are refused', () => {
  const { alice, bob } = acquainted();
  const envelope = alice.send('hello');
  for (const field of ['ciphertext', 'senderIdentityKey', 'messageType'])
    for (const value of [undefined, null, 1, {}, [envelope.ciphertext]])
      expectRefused(bob, { ...envelope, [field]: value });
});

test.each([true, false])('what has started a session starts none again (with a one-time key: %s)', (oneTime) => {
  const { alice, bob } = pair(oneTime);
  const envelope = alice.send('hello');
  bob.take(envelope);
  expect(bob.refusal(envelope)).toBe('replay');
  // Also once the session itself is forgotten, as long as its signed prekey lives.
  const forgetful = new End(bob.own, 'alice');
  forgetful.peer = { ...bob.peer, primary: undefined };
  expect(forgetful.refusal(envelope)).toBe('replay');
});

test('tombstones go with their signed prekey, and only then', () => {
  const { alice, bob } = pair(false);
  const envelope = alice.send('hello');
  bob.take(envelope);
  const signed = bob.own.preKeys.signed[0];
  const restarted = new End(alice.own, 'bob', 'restarted');
  restarted.start(bundleOf(bob.own, false));
  bob.take(restarted.send('again'));
  expect(bob.peer.tombstones).toHaveLength(2);
  // A month later another signed prekey has taken its place.
  const later = makeUser('bob');
  const replaced = { ...later.preKeys.signed[0], id: 2 } as NonNullable<typeof signed>;
  bob.own = { ...bob.own, preKeys: { ...bob.own.preKeys, signed: [replaced] } };
  const third = new End(alice.own, 'bob', 'third');
  third.start(bundleOf(bob.own, false));
  bob.take(third.send('and again'), NOW + 31 * DAY);
  expect(bob.peer.tombstones.map(({ signedPreKeyId }) => signedPreKeyId)).toEqual([2]);
  expect(bob.refusal({ ...envelope, sessionId: 'AAAAAAAAAAAAAAAAAAAAAA' })).toBe('unknown-prekey');
});

test('a session from a prekey whose private half is gone is unknown, and so is a message of a session nobody knows', () => {
  const { alice, bob } = pair();
  const first = alice.send('hello');
  bob.own = { ...bob.own, preKeys: { ...bob.own.preKeys, oneTime: [] } };
  expect(bob.refusal(first)).toBe('unknown-prekey');
  const known = acquainted();
  known.bob.peer = { ...known.bob.peer, primary: undefined };
  expect(known.bob.refusal(known.alice.send('hello'))).toBe('unknown-session');
});

test('our own message that comes back is refused', () => {
  const { alice, bob } = acquainted();
  const envelope = alice.send('hello');
  expect(alice.refusal(envelope)).toBe('not-ours');
  // The server may say that it is from the other side: it is not.
  expectRefused(alice, { ...envelope, senderId: 'bob', recipientId: 'alice' });
  const identityKey = base64(bob.own.identity.publicKey);
  const dressed = { ...envelope, senderId: 'bob', recipientId: 'alice', senderIdentityKey: identityKey };
  expect(alice.refusal(dressed)).toBe('bad-tag');
});

test('a message of one session is none of another', () => {
  const { alice, bob } = acquainted();
  const old = alice.send('old');
  alice.start(bundleOf(bob.own));
  bob.take(alice.send('new'));
  expectRefused(bob, { ...old, sessionId: alice.peer.primary?.id ?? '' });
  expect(bob.take(old).text).toBe('old');
});

test('nobody talks to themselves', () => {
  const alice = new End(makeUser('alice'), 'alice');
  expect(() => alice.start(bundleOf(alice.own))).toThrow('not-ours');
});
