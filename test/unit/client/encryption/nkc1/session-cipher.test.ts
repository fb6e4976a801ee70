import { expect, test } from 'vitest';
import type { EncryptedEnvelope } from '../../../../../src/protocol/encryption.ts';
import { encodeSessionRecord } from '../../../../../src/client/encryption/nkc1/session-record.ts';
import { ed25519KeyPair } from '../../../../../src/client/encryption/nkc1/primitives.ts';
import { establishedPair, bundleOf, bytesOf, DAY, TestParty, hex, makeUser, NOW, startedPair } from './parties.ts';
import { encodePayload } from '../../../../../src/client/encryption/nkc1/payload.ts';
import { fc } from '../../../../helpers/property.ts';

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

/** Expects that an envelope is rejected and the record is unchanged. */
function expectRejected(end: TestParty, changed: EncryptedEnvelope): void {
  const before = hex(encodeSessionRecord(end.record));
  expect(end.rejection(changed)).toBeTypeOf('string');
  expect(hex(encodeSessionRecord(end.record))).toBe(before);
}

test('a message with any flipped bit is rejected', () => {
  const { alice, bob } = establishedPair();
  const envelope = alice.send('pay Carol 10');
  const bits = bytesIn(envelope.ciphertext).length * 8;
  for (let bit = 0; bit < bits; bit += 1)
    expectRejected(
      bob,
      withBytes(envelope, (bytes) => flip(bytes, bit)),
    );
  expect(bob.receive(envelope).text).toBe('pay Carol 10');
}, 60_000);

test('a first message with a flipped bit in header, ciphertext or tag is rejected', () => {
  const { alice, bob } = startedPair();
  const envelope = alice.send('pay Carol 10');
  const length = bytesIn(envelope.ciphertext).length;
  const bits = Array.from({ length: 62 * 8 }, (_, bit) => bit);
  for (let at = 62; at < length; at += at < length - 16 ? 16 : 1) bits.push(at * 8 + (at % 8));
  for (const bit of bits)
    expectRejected(
      bob,
      withBytes(envelope, (bytes) => flip(bytes, bit)),
    );
  expect(bob.local.preKeys.oneTimePreKeys).toHaveLength(100);
  expect(bob.receive(envelope).text).toBe('pay Carol 10');
  expect(bob.local.preKeys.oneTimePreKeys).toHaveLength(99);
}, 60_000);

const CHANGES: readonly (readonly [title: string, change: (envelope: EncryptedEnvelope) => EncryptedEnvelope])[] = [
  ['another sender', (envelope) => ({ ...envelope, senderId: 'mallory' })],
  ['another recipient', (envelope) => ({ ...envelope, recipientId: 'mallory' })],
  ['sender and recipient swapped', (e) => ({ ...e, senderId: e.recipientId, recipientId: e.senderId })],
  ['another session', (envelope) => ({ ...envelope, sessionId: 'AAAAAAAAAAAAAAAAAAAAAA' })],
  ['no session', (envelope) => ({ ...envelope, sessionId: '' })],
  ['the other message type', (e) => ({ ...e, messageType: e.messageType === 'prekey' ? 'message' : 'prekey' })],
  ['another identity key', (e) => ({ ...e, senderIdentityKey: base64(ed25519KeyPair(bytesOf(99)).publicKey) })],
  ['an identity key of small order', (e) => ({ ...e, senderIdentityKey: base64(new Uint8Array(32)) })],
  ['a truncated identity key', (e) => ({ ...e, senderIdentityKey: e.senderIdentityKey.slice(0, 22) })],
  ['another ephemeral key', (e) => ({ ...e, senderEphemeralKey: base64(bytesOf(9)) })],
  ['the identity key as the ephemeral key', (e) => ({ ...e, senderEphemeralKey: e.senderIdentityKey })],
  ['an ephemeral key of small order', (e) => ({ ...e, senderEphemeralKey: base64(new Uint8Array(32)) })],
  ['another one-time prekey id', (e) => ({ ...e, usedOneTimePreKeyId: 2 })],
  ['an unknown one-time prekey id', (e) => ({ ...e, usedOneTimePreKeyId: 2 ** 31 - 1 })],
  ['an invalid one-time prekey id', (e) => ({ ...e, usedOneTimePreKeyId: 0 })],
  ['no ciphertext', (e) => ({ ...e, ciphertext: '' })],
  ['base64 with whitespace', (e) => ({ ...e, ciphertext: ` ${e.ciphertext}` })],
  ['base64 with a line break', (e) => ({ ...e, ciphertext: e.ciphertext.replace(/^.{8}/, '$&\n') })],
  ['one byte less', (e) => withBytes(e, (bytes) => bytes.slice(0, -1))],
  ['one byte more', (e) => withBytes(e, (bytes) => new Uint8Array([...bytes, 0]))],
  ['one block more', (e) => withBytes(e, (bytes) => new Uint8Array([...bytes, ...bytesOf(0, 256)]))],
  ['the header only', (e) => withBytes(e, (bytes) => bytes.slice(0, 62))],
  ['version 2', (e) => withBytes(e, (bytes) => bytes.with(0, 2))],
  ['the header type of a group message', (e) => withBytes(e, (bytes) => bytes.with(1, 3))],
];

test.each(CHANGES)('a message is rejected with %s', (_title, change) => {
  const { alice, bob } = establishedPair();
  const envelope = alice.send('hello');
  expectRejected(bob, change(envelope));
  expect(bob.receive(envelope).text).toBe('hello');
});

test.each(CHANGES)('a first message is rejected with %s', (_title, change) => {
  const { alice, bob } = startedPair();
  const envelope = alice.send('hello');
  expectRejected(bob, change(envelope));
  expect(bob.local.preKeys.oneTimePreKeys).toHaveLength(100);
  expect(bob.receive(envelope).text).toBe('hello');
});

test.each(CHANGES)('an unacknowledged second message is rejected with %s', (_title, change) => {
  const { alice, bob } = startedPair();
  bob.receive(alice.send('hello'));
  const envelope = alice.send('again');
  expectRejected(bob, change(envelope));
  expect(bob.receive(envelope).text).toBe('again');
});

test('adding or removing the one-time prekey id is rejected', () => {
  const { alice, bob } = startedPair(false);
  const envelope = alice.send('hello');
  expectRejected(bob, { ...envelope, usedOneTimePreKeyId: 1 });
  const other = startedPair();
  const { usedOneTimePreKeyId: _left, ...without } = other.alice.send('hello');
  expectRejected(other.bob, without);
});

test('random envelopes are rejected', () => {
  const { bob } = establishedPair();
  const anything = fc.record({
    senderId: fc.constant('alice'),
    recipientId: fc.constant('bob'),
    sessionId: fc.oneof(fc.constant(bob.record.primary?.id ?? ''), fc.string()),
    ciphertext: fc.oneof(fc.base64String(), fc.string()),
    messageType: fc.constantFrom('message' as const, 'prekey' as const),
    senderIdentityKey: fc.oneof(fc.constant(base64(bob.record.primary?.peerIdentity ?? bytesOf(0))), fc.string()),
    senderEphemeralKey: fc.option(fc.string(), { nil: undefined }),
    usedOneTimePreKeyId: fc.option(fc.double(), { nil: undefined }),
  });
  fc.assert(fc.property(anything, (envelope) => expectRejected(bob, envelope)));
});

test('fields of the wrong type are rejected', () => {
  const { alice, bob } = establishedPair();
  const envelope = alice.send('hello');
  for (const field of ['ciphertext', 'senderIdentityKey', 'messageType'])
    for (const value of [undefined, null, 1, {}, [envelope.ciphertext]])
      expectRejected(bob, { ...envelope, [field]: value });
});

test.each([true, false])('a first message cannot be replayed (with a one-time prekey: %s)', (oneTime) => {
  const { alice, bob } = startedPair(oneTime);
  const envelope = alice.send('hello');
  bob.receive(envelope);
  expect(bob.rejection(envelope)).toBe('replay');
  // The tombstone prevents it even after the session is gone.
  const withoutSession = new TestParty(bob.local, 'alice');
  withoutSession.record = { ...bob.record, primary: undefined };
  expect(withoutSession.rejection(envelope)).toBe('replay');
});

test('tombstones are removed with their signed prekey', () => {
  const { alice, bob } = startedPair(false);
  const envelope = alice.send('hello');
  bob.receive(envelope);
  const signed = bob.local.preKeys.signedPreKeys[0];
  const restarted = new TestParty(alice.local, 'bob', 'restarted');
  restarted.start(bundleOf(bob.local, false));
  bob.receive(restarted.send('again'));
  expect(bob.record.tombstones).toHaveLength(2);
  // Another signed prekey has replaced it.
  const later = makeUser('bob');
  const replaced = { ...later.preKeys.signedPreKeys[0], id: 2 } as NonNullable<typeof signed>;
  bob.local = { ...bob.local, preKeys: { ...bob.local.preKeys, signedPreKeys: [replaced] } };
  const third = new TestParty(alice.local, 'bob', 'third');
  third.start(bundleOf(bob.local, false));
  bob.receive(third.send('and again'), NOW + 31 * DAY);
  expect(bob.record.tombstones.map(({ signedPreKeyId }) => signedPreKeyId)).toEqual([2]);
  expect(bob.rejection({ ...envelope, sessionId: 'AAAAAAAAAAAAAAAAAAAAAA' })).toBe('unknown-prekey');
});

test('a deleted prekey and an unknown session are reported', () => {
  const { alice, bob } = startedPair();
  const first = alice.send('hello');
  bob.local = { ...bob.local, preKeys: { ...bob.local.preKeys, oneTimePreKeys: [] } };
  expect(bob.rejection(first)).toBe('unknown-prekey');
  const known = establishedPair();
  known.bob.record = { ...known.bob.record, primary: undefined };
  expect(known.bob.rejection(known.alice.send('hello'))).toBe('unknown-session');
});

test('a user’s own message that the server sends back is rejected', () => {
  const { alice, bob } = establishedPair();
  const envelope = alice.send('hello');
  expect(alice.rejection(envelope)).toBe('not-ours');
  // The same with sender and recipient swapped.
  expectRejected(alice, { ...envelope, senderId: 'bob', recipientId: 'alice' });
  const identityKey = base64(bob.local.identity.publicKey);
  const swapped = { ...envelope, senderId: 'bob', recipientId: 'alice', senderIdentityKey: identityKey };
  expect(alice.rejection(swapped)).toBe('bad-tag');
});

test('a message is rejected on another session', () => {
  const { alice, bob } = establishedPair();
  const old = alice.send('old');
  alice.start(bundleOf(bob.local));
  bob.receive(alice.send('new'));
  expectRejected(bob, { ...old, sessionId: alice.record.primary?.id ?? '' });
  expect(bob.receive(old).text).toBe('old');
});

test('a session with oneself is rejected', () => {
  const alice = new TestParty(makeUser('alice'), 'alice');
  expect(() => alice.start(bundleOf(alice.local))).toThrow('not-ours');
});

const ackPayload = encodePayload({ kind: 'session-ack', id: 'a', ts: NOW });

test('a session without a one-time prekey replaces a usable one only when it is acknowledged', () => {
  const { alice, bob } = establishedPair();
  const working = alice.record.primary?.id;
  const weaker = alice.start(bundleOf(bob.local, false), NOW + 1);
  expect(alice.record.primary?.id).toBe(working);
  bob.receive(alice.send(encodePayload({ kind: 'session-reset', id: 'r', ts: NOW }), weaker), NOW + 1);
  expect(bob.record.primary?.id).toBe(weaker);
  expect(bob.receive(alice.send('still on the working session')).sessionId).toBe(working);
  alice.receive(bob.send(ackPayload, weaker), NOW + 2);
  expect(alice.record.primary?.id).toBe(weaker);
});

test('a session with a one-time prekey, or in place of none, is used at once', () => {
  const { alice, bob } = establishedPair();
  const replaced = alice.start(bundleOf(bob.local), NOW + 1);
  expect(alice.record.primary?.id).toBe(replaced);
  expect(startedPair(false).alice.record.primary).toBeDefined();
});

test('an unacknowledged session of 30 days is replaced also without a one-time prekey', () => {
  const { alice, bob } = startedPair();
  const later = alice.start(bundleOf(bob.local, false), NOW + 30 * DAY);
  expect(alice.record.primary?.id).toBe(later);
});

test('the acknowledgement of an older session does not replace a newer one', () => {
  const { alice, bob } = startedPair();
  const older = alice.record.primary?.id ?? '';
  bob.receive(alice.send('hello'));
  const newer = alice.start(bundleOf(bob.local), NOW + 1);
  alice.receive(bob.send(ackPayload, older), NOW + 2);
  expect(alice.record.primary?.id).toBe(newer);
});
