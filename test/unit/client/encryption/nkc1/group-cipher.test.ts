import { expect, test } from 'vitest';
import type { EncryptedEnvelope } from '../../../../../src/protocol/encryption.ts';
import {
  decodeSenderKeyRecord,
  encodeSenderKeyRecord,
  type SenderKeyRecord,
  type GroupMember,
  newSenderKeyRecord,
} from '../../../../../src/client/encryption/nkc1/sender-key-record.ts';
import { skipMessageKeys } from '../../../../../src/client/encryption/nkc1/chain.ts';
import type { SenderKeyDistribution } from '../../../../../src/client/encryption/nkc1/payload.ts';
import { chainIdOf, GroupCipher } from '../../../../../src/client/encryption/nkc1/group-cipher.ts';
import { ascii, bytesOf, DAY, hex, makeUser, unwrap, NOW, randomOf, textOf } from './parties.ts';
import { GroupSessionBuilder } from '../../../../../src/client/encryption/nkc1/group-session-builder.ts';

const random = randomOf('groups');

/** One member of a group with their sender keys. */
class TestMember {
  readonly local;
  record: SenderKeyRecord;

  constructor(userId: string, conversationId = 'team') {
    this.local = makeUser(userId);
    this.record = newSenderKeyRecord(conversationId);
  }

  get member(): GroupMember {
    return { userId: this.local.userId, identityKey: this.local.identity.publicKey };
  }

  /** Distributes the sender key to the members that need it. Returns their ids. */
  distribute(others: readonly TestMember[], now = NOW): string[] {
    const prepared = GroupSessionBuilder.prepare(
      this.record,
      others.map(({ member }) => member),
      random,
      now,
    );
    const { chainId } = prepared.senderKey;
    this.record = GroupSessionBuilder.markDistributed(prepared.record, chainId, prepared.missing);
    for (const other of others)
      if (prepared.missing.some(({ userId }) => userId === other.local.userId)) other.accept(this, prepared.senderKey);
    return prepared.missing.map(({ userId }) => userId);
  }

  accept(from: TestMember, key: SenderKeyDistribution): void {
    this.record = unwrap(GroupSessionBuilder.accept(this.record, from.member, key)).record;
  }

  send(text: string): EncryptedEnvelope {
    const sent = unwrap(GroupCipher.encrypt(this.record, this.local, ascii(text), random));
    this.record = sent.record;
    return sent.envelope;
  }

  receive(envelope: EncryptedEnvelope, now = NOW): string {
    const got = unwrap(GroupCipher.decrypt(this.record, this.local, envelope, now));
    this.record = got.record;
    return textOf(got.plaintext);
  }

  rejection(envelope: EncryptedEnvelope, now = NOW): string | undefined {
    const got = GroupCipher.decrypt(this.record, this.local, envelope, now);
    return got.ok ? undefined : got.reason;
  }
}

function team(): { alice: TestMember; bob: TestMember; carol: TestMember } {
  const [alice, bob, carol] = [new TestMember('alice'), new TestMember('bob'), new TestMember('carol')];
  alice.distribute([bob, carol]);
  bob.distribute([alice, carol]);
  return { alice, bob, carol };
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
const bytesIn = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'));

test('every member decrypts the same ciphertext', () => {
  const { alice, bob, carol } = team();
  for (const text of ['one', 'two', 'three']) {
    const envelope = alice.send(text);
    expect(envelope).toMatchObject({ senderId: 'alice', recipientId: 'team', messageType: 'message' });
    expect([bob.receive(envelope), carol.receive(envelope)]).toEqual([text, text]);
  }
  expect(alice.receive(bob.send('and back'))).toBe('and back');
});

test('a sender key is distributed once per member, and a new member decrypts later messages only', () => {
  const { alice, bob, carol } = team();
  expect(alice.distribute([bob, carol])).toEqual([]);
  const before = alice.send('before');
  const dan = new TestMember('dan');
  expect(alice.distribute([bob, carol, dan])).toEqual(['dan']);
  expect(dan.rejection(before)).toBe('replay');
  expect(dan.receive(alice.send('after'))).toBe('after');
});

test('encrypting without a sending chain fails', () => {
  expect(() => new TestMember('alice').send('x')).toThrow('unknown-session');
});

test('a removed member cannot decrypt later messages', () => {
  const { alice, bob, carol } = team();
  const before = alice.record.sendingChain?.chainId;
  expect(alice.distribute([bob])).toEqual(['bob']);
  expect(alice.record.sendingChain?.chainId).not.toBe(before);
  const envelope = alice.send('without Carol');
  expect(bob.receive(envelope)).toBe('without Carol');
  expect(carol.rejection(envelope)).toBe('unknown-session');
});

test('a new chain starts when a member changes keys, after 7 days, and after 1,000 messages', () => {
  const { alice, bob, carol } = team();
  const changed = new TestMember('carol');
  Object.assign(changed, { local: { ...changed.local, identity: makeUser('dan').identity } });
  const chains = [alice.record.sendingChain?.chainId];
  expect(alice.distribute([bob, changed])).toEqual(['bob', 'carol']);
  chains.push(alice.record.sendingChain?.chainId);
  expect(alice.distribute([bob, changed], NOW + 7 * DAY - 1)).toEqual([]);
  expect(alice.distribute([bob, carol], NOW + 7 * DAY)).toEqual(['bob', 'carol']);
  chains.push(alice.record.sendingChain?.chainId);
  const { sendingChain: chain } = alice.record;
  if (chain === undefined) throw new Error('there is no chain');
  alice.record = { ...alice.record, sendingChain: { ...chain, iteration: 999 } };
  expect(alice.distribute([bob, carol], NOW + 7 * DAY)).toEqual([]);
  alice.record = { ...alice.record, sendingChain: { ...chain, iteration: 1_000 } };
  expect(alice.distribute([bob, carol], NOW + 7 * DAY)).toEqual(['bob', 'carol']);
  chains.push(alice.record.sendingChain?.chainId);
  expect(new Set(chains).size).toBe(4);
});

test('a message with any flipped bit is rejected', () => {
  const { alice, bob } = team();
  const envelope = alice.send('pay Carol 10');
  const bytes = bytesIn(envelope.ciphertext);
  const before = hex(encodeSenderKeyRecord(bob.record));
  for (let at = 0; at < bytes.length; at += 1) {
    // Every bit of the header; one bit of every fourth byte of the rest, all of which the signature covers.
    const bits = at < 26 ? [0, 1, 2, 3, 4, 5, 6, 7] : at % 4 === 0 ? [at & 7] : [];
    for (const bit of bits) {
      const flipped = bytes.with(at, (bytes[at] ?? 0) ^ (1 << bit));
      expect(bob.rejection({ ...envelope, ciphertext: base64(flipped) })).toBeTypeOf('string');
    }
  }
  expect(hex(encodeSenderKeyRecord(bob.record))).toBe(before);
  expect(bob.receive(envelope)).toBe('pay Carol 10');
});

test.each<[title: string, change: Partial<EncryptedEnvelope>, reason: string]>([
  ['another sender', { senderId: 'bob' }, 'malformed'],
  ['the recipient as the sender', { senderId: 'carol' }, 'not-ours'],
  ['another conversation', { recipientId: 'other' }, 'not-ours'],
  ['another session', { sessionId: 'AAAAAAAAAAAAAAAAAAAAAA' }, 'malformed'],
  ['another identity', { senderIdentityKey: base64(makeUser('bob').identity.publicKey) }, 'wrong-key'],
  ['the message type prekey', { messageType: 'prekey' }, 'malformed'],
  ['an ephemeral key', { senderEphemeralKey: base64(bytesOf(1)) }, 'malformed'],
  ['a one-time prekey id', { usedOneTimePreKeyId: 1 }, 'malformed'],
  ['no ciphertext', { ciphertext: '' }, 'malformed'],
])('a message is rejected with %s', (_title, change, reason) => {
  const { alice, carol } = team();
  expect(carol.rejection({ ...alice.send('hello'), ...change })).toBe(reason);
});

test('a member cannot forge a message of another member', () => {
  const { alice, bob, carol } = team();
  const theirs = carol.record.receivingChains.find(({ senderId }) => senderId === 'alice');
  const { sendingChain: chain } = bob.record;
  if (theirs === undefined || chain === undefined) throw new Error('there are no chains');
  // Bob knows Alice's chain key: he can encrypt on her chain, but has to sign with his own key.
  const forger = new TestMember('alice');
  const { chainId, chainKey, iteration } = theirs;
  forger.record = { ...forger.record, sendingChain: { ...chain, chainId, chainKey, iteration } };
  expect(carol.rejection(forger.send('I owe Bob 100'))).toBe('bad-tag');
  expect(carol.receive(alice.send('I owe Bob nothing'))).toBe('I owe Bob nothing');
});

test('a message is rejected in another conversation of the same members', () => {
  const { alice, carol } = team();
  const elsewhere = new TestMember('carol', 'other');
  const key = carol.record.receivingChains.find(({ senderId }) => senderId === 'alice');
  if (key === undefined) throw new Error('there is no chain');
  elsewhere.record = { ...elsewhere.record, receivingChains: [key] };
  const envelope = alice.send('yes');
  expect(elsewhere.rejection(envelope)).toBe('not-ours');
  expect(elsewhere.rejection({ ...envelope, recipientId: 'other' })).toBe('malformed');
  // The associated data differs even if the session id is recomputed.
  const there = new TestMember('alice', 'other');
  there.record = { ...there.record, sendingChain: alice.record.sendingChain };
  expect(elsewhere.rejection({ ...there.send('no'), ciphertext: envelope.ciphertext })).toBe('bad-tag');
});

test('a sender key of another conversation, or with a signature key of small order, is rejected', () => {
  const [alice, bob] = [new TestMember('alice'), new TestMember('bob')];
  const { senderKey } = GroupSessionBuilder.prepare(alice.record, [bob.member], random, NOW);
  expect(GroupSessionBuilder.accept(newSenderKeyRecord('other'), alice.member, senderKey)).toMatchObject({
    reason: 'not-ours',
  });
  const weak = { ...senderKey, sigKey: new Uint8Array(32) };
  expect(GroupSessionBuilder.accept(bob.record, alice.member, weak)).toMatchObject({ reason: 'bad-key' });
});

test('messages are decrypted in any order, once each', () => {
  const { alice, bob } = team();
  const sent = Array.from({ length: 20 }, (_, at) => alice.send(`${at}`));
  for (const at of [7, 3, 19, 0, 12, 18, 1]) expect(bob.receive(sent[at] as EncryptedEnvelope)).toBe(`${at}`);
  for (const at of [7, 0, 19]) expect(bob.rejection(sent[at] as EncryptedEnvelope)).toBe('replay');
});

/** Advances the sending chain as if messages up to this number had been sent. */
function skipAhead(end: TestMember, n: number): void {
  const { sendingChain: chain } = end.record;
  if (chain === undefined) throw new Error('there is no chain');
  const reached = skipMessageKeys({ key: chain.chainKey, next: chain.iteration }, n).chain;
  end.record = { ...end.record, sendingChain: { ...chain, iteration: n, chainKey: reached.key } };
}

test('1,000 messages can be skipped, 1,001 cannot', () => {
  const { alice, bob, carol } = team();
  skipAhead(alice, 1_000);
  expect(bob.receive(alice.send('far'))).toBe('far');
  expect(carol.rejection(alice.send('too far'))).toBe('gap');
});

test('beyond 2,000 skipped keys the oldest is evicted, and each expires after 30 days', () => {
  const { alice, bob } = team();
  const early = [alice.send('0'), alice.send('1'), alice.send('2')] as const;
  for (const n of [1_000, 2_001, 2_003]) {
    skipAhead(alice, n);
    bob.receive(alice.send('far'));
  }
  const chain = bob.record.receivingChains.find(({ senderId }) => senderId === 'alice');
  expect(chain?.skippedKeys).toHaveLength(2_000);
  expect(bob.rejection(early[0])).toBe('replay');
  expect(bob.receive(early[1])).toBe('1');
  expect(bob.rejection(early[2], NOW + 30 * DAY)).toBe('replay');
  expect(bob.receive(early[2], NOW + 30 * DAY - 1)).toBe('2');
});

test('a duplicate sender key does not allow replays', () => {
  const [alice, bob] = [new TestMember('alice'), new TestMember('bob')];
  const { record, senderKey } = GroupSessionBuilder.prepare(alice.record, [bob.member], random, NOW);
  alice.record = record;
  bob.accept(alice, senderKey);
  const envelope = alice.send('once');
  bob.receive(envelope);
  bob.accept(alice, senderKey);
  expect(bob.rejection(envelope)).toBe('replay');
  // A duplicate does not evict older chains either.
  expect(bob.record.receivingChains).toHaveLength(1);
});

test('a chain stays readable after later ones have arrived', () => {
  const [alice, bob] = [new TestMember('alice'), new TestMember('bob')];
  alice.distribute([bob]);
  const first = alice.send('still there');
  for (let at = 1; at < 8; at += 1) alice.distribute([bob], NOW + at * 7 * DAY);
  expect(bob.receive(first)).toBe('still there');
});

test('a record with tens of thousands of skipped keys is serialized', () => {
  const { bob } = team();
  const key = { n: 1, key: bytesOf(1), ratchetKey: new Uint8Array(), storedAt: NOW };
  const chains = bob.record.receivingChains.map((chain) => ({
    ...chain,
    skippedKeys: Array.from({ length: 60_000 }, () => key),
  }));
  const record = { ...bob.record, receivingChains: chains };
  expect(decodeSenderKeyRecord(encodeSenderKeyRecord(record))?.receivingChains[0]?.skippedKeys).toHaveLength(60_000);
});

test('forward secrecy: the chain key of a sent message is in neither member’s state', () => {
  const { alice, bob } = team();
  const key = hex(alice.record.sendingChain?.chainKey ?? bytesOf(0));
  bob.receive(alice.send('gone'));
  for (const { record } of [alice, bob]) expect(hex(encodeSenderKeyRecord(record))).not.toContain(key);
});

test('a member without the chain can tell its id from the envelope', () => {
  const { alice } = team();
  const envelope = alice.send('hello');
  expect(new TestMember('dan').rejection(envelope)).toBe('unknown-session');
  expect(chainIdOf(envelope)).toBe(alice.record.sendingChain?.chainId);
  expect(chainIdOf({ ...envelope, ciphertext: 'AAAA' })).toBeUndefined();
});

test('a sender key record survives serialization, and malformed bytes are rejected', () => {
  const { alice, bob } = team();
  alice.send('skipped');
  bob.receive(alice.send('read'));
  for (const record of [alice.record, bob.record, newSenderKeyRecord('empty')]) {
    const bytes = encodeSenderKeyRecord(record);
    expect(decodeSenderKeyRecord(bytes)).toEqual(record);
    expect(decodeSenderKeyRecord(bytes.slice(0, -1))).toBeUndefined();
    expect(decodeSenderKeyRecord(new Uint8Array([...bytes, 1]))).toBeUndefined();
    expect(decodeSenderKeyRecord(bytes.with(0, 9))).toBeUndefined();
  }
});
