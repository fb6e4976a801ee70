import { expect, test } from 'vitest';
import type { EncryptedEnvelope } from '../../../../src/protocol/encryption.ts';
import {
  decodeGroup,
  encodeGroup,
  forgetMember,
  type Group,
  type Member,
  newGroup,
} from '../../../../src/client/encryption/group.ts';
import { skipTo } from '../../../../src/client/encryption/chain.ts';
import type { SenderKey } from '../../../../src/client/encryption/payload.ts';
import {
  acceptSenderKey,
  chainIdOf,
  encryptToGroup,
  markGiven,
  prepareChain,
  receiveInGroup,
} from '../../../../src/client/encryption/sender-keys.ts';
import { ascii, bytesOf, DAY, hex, makeUser, must, NOW, randomOf, textOf } from './users.ts';

const random = randomOf('groups');

/** A member's end of a group. */
class GroupEnd {
  readonly own;
  group: Group;

  constructor(userId: string, conversationId = 'team') {
    this.own = makeUser(userId);
    this.group = newGroup(conversationId);
  }

  get member(): Member {
    return { userId: this.own.userId, identityKey: this.own.identity.publicKey };
  }

  /** Gives the key to whoever must have it; whose names come back. */
  give(others: readonly GroupEnd[], now = NOW): string[] {
    const prepared = prepareChain(
      this.group,
      others.map(({ member }) => member),
      random,
      now,
    );
    const { chainId } = prepared.senderKey;
    this.group = markGiven(prepared.group, chainId, prepared.missing);
    for (const other of others)
      if (prepared.missing.some(({ userId }) => userId === other.own.userId)) other.accept(this, prepared.senderKey);
    return prepared.missing.map(({ userId }) => userId);
  }

  accept(from: GroupEnd, key: SenderKey): void {
    this.group = must(acceptSenderKey(this.group, from.member, key)).group;
  }

  send(text: string): EncryptedEnvelope {
    const sent = must(encryptToGroup(this.group, this.own, ascii(text), random));
    this.group = sent.group;
    return sent.envelope;
  }

  take(envelope: EncryptedEnvelope, now = NOW): string {
    const got = must(receiveInGroup(this.group, this.own, envelope, now));
    this.group = got.group;
    return textOf(got.plaintext);
  }

  refusal(envelope: EncryptedEnvelope, now = NOW): string | undefined {
    const got = receiveInGroup(this.group, this.own, envelope, now);
    return got.ok ? undefined : got.reason;
  }
}

function team(): { alice: GroupEnd; bob: GroupEnd; carol: GroupEnd } {
  const [alice, bob, carol] = [new GroupEnd('alice'), new GroupEnd('bob'), new GroupEnd('carol')];
  alice.give([bob, carol]);
  bob.give([alice, carol]);
  return { alice, bob, carol };
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
const bytesIn = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'));

test('one ciphertext is read by every member', () => {
  const { alice, bob, carol } = team();
  for (const text of ['one', 'two', 'three']) {
    const envelope = alice.send(text);
    expect(envelope).toMatchObject({ senderId: 'alice', recipientId: 'team', messageType: 'message' });
    expect([bob.take(envelope), carol.take(envelope)]).toEqual([text, text]);
  }
  expect(alice.take(bob.send('and back'))).toBe('and back');
});

test('a key is given once to each member, and to who joins from then on', () => {
  const { alice, bob, carol } = team();
  expect(alice.give([bob, carol])).toEqual([]);
  const before = alice.send('before');
  const dan = new GroupEnd('dan');
  expect(alice.give([bob, carol, dan])).toEqual(['dan']);
  expect(dan.refusal(before)).toBe('replay');
  expect(dan.take(alice.send('after'))).toBe('after');
});

test('without a chain nothing is sent', () => {
  expect(() => new GroupEnd('alice').send('x')).toThrow('unknown-session');
});

test('who was removed reads nothing that is sent afterwards', () => {
  const { alice, bob, carol } = team();
  const before = alice.group.own?.chainId;
  expect(alice.give([bob])).toEqual(['bob']);
  expect(alice.group.own?.chainId).not.toBe(before);
  const envelope = alice.send('without Carol');
  expect(bob.take(envelope)).toBe('without Carol');
  expect(carol.refusal(envelope)).toBe('unknown-session');
});

test('a new chain comes when a member changes keys, after 7 days, and after 1,000 messages', () => {
  const { alice, bob, carol } = team();
  const changed = new GroupEnd('carol');
  Object.assign(changed, { own: { ...changed.own, identity: makeUser('dan').identity } });
  const chains = [alice.group.own?.chainId];
  expect(alice.give([bob, changed])).toEqual(['bob', 'carol']);
  chains.push(alice.group.own?.chainId);
  expect(alice.give([bob, changed], NOW + 7 * DAY - 1)).toEqual([]);
  expect(alice.give([bob, carol], NOW + 7 * DAY)).toEqual(['bob', 'carol']);
  chains.push(alice.group.own?.chainId);
  const { own } = alice.group;
  if (own === undefined) throw new Error('there is no chain');
  alice.group = { ...alice.group, own: { ...own, iteration: 999 } };
  expect(alice.give([bob, carol], NOW + 7 * DAY)).toEqual([]);
  alice.group = { ...alice.group, own: { ...own, iteration: 1_000 } };
  expect(alice.give([bob, carol], NOW + 7 * DAY)).toEqual(['bob', 'carol']);
  chains.push(alice.group.own?.chainId);
  expect(new Set(chains).size).toBe(4);
});

test('every bit of a message matters', () => {
  const { alice, bob } = team();
  const envelope = alice.send('pay Carol 10');
  const bytes = bytesIn(envelope.ciphertext);
  const before = hex(encodeGroup(bob.group));
  for (let at = 0; at < bytes.length; at += 1) {
    // All bits of the header and of what a signature starts with; of the rest, which the signature covers alike, one each.
    const bits = at < 26 ? [0, 1, 2, 3, 4, 5, 6, 7] : at % 4 === 0 ? [at & 7] : [];
    for (const bit of bits) {
      const flipped = bytes.with(at, (bytes[at] ?? 0) ^ (1 << bit));
      expect(bob.refusal({ ...envelope, ciphertext: base64(flipped) })).toBeTypeOf('string');
    }
  }
  expect(hex(encodeGroup(bob.group))).toBe(before);
  expect(bob.take(envelope)).toBe('pay Carol 10');
});

test.each<[title: string, change: Partial<EncryptedEnvelope>, reason: string]>([
  ['another sender', { senderId: 'bob' }, 'malformed'],
  ['ourselves as the sender', { senderId: 'carol' }, 'not-ours'],
  ['another conversation', { recipientId: 'other' }, 'not-ours'],
  ['another session', { sessionId: 'AAAAAAAAAAAAAAAAAAAAAA' }, 'malformed'],
  ['another identity', { senderIdentityKey: base64(makeUser('bob').identity.publicKey) }, 'wrong-key'],
  ['the other type', { messageType: 'prekey' }, 'malformed'],
  ['an ephemeral key', { senderEphemeralKey: base64(bytesOf(1)) }, 'malformed'],
  ['a one-time key', { usedOneTimePreKeyId: 1 }, 'malformed'],
  ['no ciphertext', { ciphertext: '' }, 'malformed'],
])('a message is refused with %s', (_title, change, reason) => {
  const { alice, carol } = team();
  expect(carol.refusal({ ...alice.send('hello'), ...change })).toBe(reason);
});

test('a member can’t write what another one signs', () => {
  const { alice, bob, carol } = team();
  const theirs = carol.group.others.find(({ senderId }) => senderId === 'alice');
  const { own } = bob.group;
  if (theirs === undefined || own === undefined) throw new Error('there are no chains');
  // Bob has Alice's chain as Carol has it: he can seal for it, and signs with a key of his own.
  const forger = new GroupEnd('alice');
  const { chainId, chainKey, iteration } = theirs;
  forger.group = { ...forger.group, own: { ...own, chainId, chainKey, iteration } };
  expect(carol.refusal(forger.send('I owe Bob 100'))).toBe('bad-tag');
  expect(carol.take(alice.send('I owe nobody'))).toBe('I owe nobody');
});

test('a message is none of another conversation, also between the same members', () => {
  const { alice, carol } = team();
  const elsewhere = new GroupEnd('carol', 'other');
  const key = carol.group.others.find(({ senderId }) => senderId === 'alice');
  if (key === undefined) throw new Error('there is no chain');
  elsewhere.group = { ...elsewhere.group, others: [key] };
  const envelope = alice.send('yes');
  expect(elsewhere.refusal(envelope)).toBe('not-ours');
  expect(elsewhere.refusal({ ...envelope, recipientId: 'other' })).toBe('malformed');
  // Also with the session id that it would have there.
  const there = new GroupEnd('alice', 'other');
  there.group = { ...there.group, own: alice.group.own };
  expect(elsewhere.refusal({ ...there.send('no'), ciphertext: envelope.ciphertext })).toBe('bad-tag');
});

test('a key of one conversation is none of another, and one of small order is none at all', () => {
  const [alice, bob] = [new GroupEnd('alice'), new GroupEnd('bob')];
  const { senderKey } = prepareChain(alice.group, [bob.member], random, NOW);
  expect(acceptSenderKey(newGroup('other'), alice.member, senderKey)).toMatchObject({ reason: 'not-ours' });
  const weak = { ...senderKey, sigKey: new Uint8Array(32) };
  expect(acceptSenderKey(bob.group, alice.member, weak)).toMatchObject({ reason: 'bad-key' });
});

test('messages come in any order, each once', () => {
  const { alice, bob } = team();
  const sent = Array.from({ length: 20 }, (_, at) => alice.send(`${at}`));
  for (const at of [7, 3, 19, 0, 12, 18, 1]) expect(bob.take(sent[at] as EncryptedEnvelope)).toBe(`${at}`);
  for (const at of [7, 0, 19]) expect(bob.refusal(sent[at] as EncryptedEnvelope)).toBe('replay');
});

/** As if messages up to this number had been sent, without the cost of signing them. */
function skipAhead(end: GroupEnd, n: number): void {
  const { own } = end.group;
  if (own === undefined) throw new Error('there is no chain');
  const { chain } = skipTo({ key: own.chainKey, next: own.iteration }, n);
  end.group = { ...end.group, own: { ...own, iteration: n, chainKey: chain.key } };
}

test('a gap of 1,000 is read over, one of 1,001 is not', () => {
  const { alice, bob, carol } = team();
  skipAhead(alice, 1_000);
  expect(bob.take(alice.send('far'))).toBe('far');
  expect(carol.refusal(alice.send('too far'))).toBe('gap');
});

test('past 2,000 keys put aside the oldest go first, and all after 30 days', () => {
  const { alice, bob } = team();
  const early = [alice.send('0'), alice.send('1'), alice.send('2')] as const;
  for (const n of [1_000, 2_001, 2_003]) {
    skipAhead(alice, n);
    bob.take(alice.send('far'));
  }
  const chain = bob.group.others.find(({ senderId }) => senderId === 'alice');
  expect(chain?.skipped).toHaveLength(2_000);
  expect(bob.refusal(early[0])).toBe('replay');
  expect(bob.take(early[1])).toBe('1');
  expect(bob.refusal(early[2], NOW + 30 * DAY)).toBe('replay');
  expect(bob.take(early[2], NOW + 30 * DAY - 1)).toBe('2');
});

test('a key that comes twice gives nothing back that was read', () => {
  const [alice, bob] = [new GroupEnd('alice'), new GroupEnd('bob')];
  const { group, senderKey } = prepareChain(alice.group, [bob.member], random, NOW);
  alice.group = group;
  bob.accept(alice, senderKey);
  const envelope = alice.send('once');
  bob.take(envelope);
  bob.accept(alice, senderKey);
  expect(bob.refusal(envelope)).toBe('replay');
  // Nor does it push out older chains.
  expect(bob.group.others).toHaveLength(1);
});

test('five chains of a member are kept, and none of who was forgotten', () => {
  const [alice, bob, carol] = [new GroupEnd('alice'), new GroupEnd('bob'), new GroupEnd('carol')];
  carol.give([bob]);
  const first = carol.send('still there');
  for (let at = 0; at < 7; at += 1) alice.give([bob], NOW + at * 7 * DAY);
  expect(bob.group.others.filter(({ senderId }) => senderId === 'alice')).toHaveLength(5);
  expect(bob.take(first)).toBe('still there');
  expect(forgetMember(bob.group, 'alice').others.map(({ senderId }) => senderId)).toEqual(['carol']);
});

test('forward secrecy: the key of a sent message is on no side’s state any more', () => {
  const { alice, bob } = team();
  const key = hex(alice.group.own?.chainKey ?? bytesOf(0));
  bob.take(alice.send('gone'));
  for (const { group } of [alice, bob]) expect(hex(encodeGroup(group))).not.toContain(key);
});

test('who lacks a chain can name it to its sender', () => {
  const { alice } = team();
  const envelope = alice.send('hello');
  expect(new GroupEnd('dan').refusal(envelope)).toBe('unknown-session');
  expect(chainIdOf(envelope)).toBe(alice.group.own?.chainId);
  expect(chainIdOf({ ...envelope, ciphertext: 'AAAA' })).toBeUndefined();
});

test('a group comes back from storage as it was, and anything else not at all', () => {
  const { alice, bob } = team();
  alice.send('skipped');
  bob.take(alice.send('read'));
  for (const group of [alice.group, bob.group, newGroup('empty')]) {
    const bytes = encodeGroup(group);
    expect(decodeGroup(bytes)).toEqual(group);
    expect(decodeGroup(bytes.slice(0, -1))).toBeUndefined();
    expect(decodeGroup(new Uint8Array([...bytes, 1]))).toBeUndefined();
    expect(decodeGroup(bytes.with(0, 9))).toBeUndefined();
  }
});
