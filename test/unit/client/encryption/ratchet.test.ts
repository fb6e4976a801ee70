import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { EncryptedEnvelope } from '../../../../src/protocol/encryption.ts';
import { decodePeer, encodePeer, newPeer } from '../../../../src/client/encryption/peer-sessions.ts';
import { acquainted, DAY, type End, hex, NOW, pair, randomOf } from './users.ts';

const skippedBy = (end: End): number => end.peer.primary?.ratchet.skipped.length ?? 0;
const sendMany = (end: End, count: number): EncryptedEnvelope[] =>
  Array.from({ length: count }, (_, at) => end.send(`message ${at}`));

test('messages go both ways, through many turns', () => {
  const { alice, bob } = acquainted();
  for (let turn = 0; turn < 10; turn += 1) {
    expect(bob.take(alice.send(`a ${turn}`)).text).toBe(`a ${turn}`);
    for (let more = 0; more < turn % 3; more += 1)
      expect(bob.take(alice.send(`more ${more}`)).text).toBe(`more ${more}`);
    expect(alice.take(bob.send(`b ${turn}`)).text).toBe(`b ${turn}`);
  }
});

test.each([0, 1, 254, 255, 256, 511, 512, 10_000])(
  'a text of %s bytes is padded to whole blocks and comes out as it was',
  (length) => {
    const { alice, bob } = acquainted();
    const envelope = alice.send(new Uint8Array(length).fill(0x80));
    const sealed = Buffer.from(envelope.ciphertext, 'base64').length - 58 - 16;
    expect(sealed % 256).toBe(0);
    expect(sealed).toBe(Math.floor(length / 256) * 256 + 256);
    expect(bob.take(envelope).plaintext).toEqual(new Uint8Array(length).fill(0x80));
  },
);

test('a gap of 1,000 messages is read over, one of 1,001 is not', () => {
  const { alice, bob } = acquainted();
  const sent = sendMany(alice, 1_002);
  expect(bob.refusal(sent[1_001] as EncryptedEnvelope)).toBe('gap');
  expect(bob.take(sent[1_000] as EncryptedEnvelope).text).toBe('message 1000');
  expect(skippedBy(bob)).toBe(1_000);
  expect(bob.take(sent[1_001] as EncryptedEnvelope).text).toBe('message 1001');
  expect(bob.take(sent[0] as EncryptedEnvelope).text).toBe('message 0');
});

test.each([
  [1_000, undefined],
  [1_001, 'gap'],
])('%s messages missing before a turn: %s', (missing, refusal) => {
  const { alice, bob } = acquainted();
  bob.take(alice.send('first'));
  sendMany(alice, missing);
  alice.take(bob.send('turn'));
  const envelope = alice.send('after');
  expect(bob.refusal(envelope)).toBe(refusal);
});

test('past 2,000 keys put aside the oldest go first', () => {
  const { alice, bob } = acquainted();
  const sent = sendMany(alice, 2_004);
  for (const at of [1_000, 2_001, 2_003]) bob.take(sent[at] as EncryptedEnvelope);
  // 1,000 and 1,000 and 1 were put aside, and one was let go.
  expect(skippedBy(bob)).toBe(2_000);
  expect(bob.refusal(sent[0] as EncryptedEnvelope)).toBe('replay');
  expect(bob.take(sent[1] as EncryptedEnvelope).text).toBe('message 1');
  expect(bob.take(sent[2_002] as EncryptedEnvelope).text).toBe('message 2002');
});

test('a key is put aside for 30 days', () => {
  const { alice, bob } = acquainted();
  const [early, late, last] = sendMany(alice, 3) as [EncryptedEnvelope, EncryptedEnvelope, EncryptedEnvelope];
  bob.take(last);
  expect(bob.refusal(early, NOW + 30 * DAY - 1)).toBeUndefined();
  expect(bob.refusal(early, NOW + 30 * DAY)).toBe('replay');
  bob.take(late, NOW + 30 * DAY - 1);
  bob.take(alice.send('a month later'), NOW + 31 * DAY);
  expect(skippedBy(bob)).toBe(0);
});

test('200 messages shuffled over several turns are all read, each once', () => {
  const random = randomOf('shuffle');
  const { alice, bob } = acquainted();
  const toBob: EncryptedEnvelope[] = [];
  const read: string[] = [];
  for (let turn = 0; turn < 8; turn += 1) {
    for (let at = 0; at < 25; at += 1) toBob.push(alice.send(`${turn}:${at}`));
    // Bob reads one, so that his answer turns the ratchet; the others stay behind.
    const [pick] = toBob.splice(((random(1)[0] ?? 0) * toBob.length) >> 8, 1);
    if (pick !== undefined) read.push(bob.take(pick).text);
    alice.take(bob.send('turn'));
  }
  const order = toBob.map((envelope) => ({ envelope, by: hex(random(8)) })).toSorted((a, b) => (a.by < b.by ? -1 : 1));
  for (const { envelope } of order) read.push(bob.take(envelope).text);
  expect(new Set(read).size).toBe(200);
  for (const { envelope } of order) expect(bob.refusal(envelope)).toBeTypeOf('string');
});

test('messages lost across a turn stop nothing', () => {
  const { alice, bob } = acquainted();
  const lost = sendMany(alice, 3);
  alice.take(bob.send('you there?'));
  const after = sendMany(alice, 2) as [EncryptedEnvelope, EncryptedEnvelope];
  expect(bob.take(after[1]).text).toBe('message 1');
  alice.take(bob.send('now you are'));
  expect(bob.take(alice.send('yes')).text).toBe('yes');
  for (const [at, envelope] of lost.entries()) expect(bob.take(envelope).text).toBe(`message ${at}`);
});

test('both sides stay in step, whatever is lost, repeated or late', () => {
  const step = fc.record({
    from: fc.constantFrom('alice' as const, 'bob' as const),
    does: fc.constantFrom('send', 'send', 'deliver', 'deliver', 'deliver-last', 'lose', 'repeat', 'restart'),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const ends = acquainted();
      const under = { alice: [] as [string, EncryptedEnvelope][], bob: [] as [string, EncryptedEnvelope][] };
      const [read, delivered, again] = [[] as string[], [] as string[], [] as (string | undefined)[]];
      let counter = 0;
      for (const { from, does } of steps) {
        const [sender, receiver] = from === 'alice' ? [ends.alice, ends.bob] : [ends.bob, ends.alice];
        const way = under[from];
        if (does === 'send') {
          const text = `${from} ${counter++}`;
          way.push([text, sender.send(text)]);
        } else if (does === 'restart') {
          sender.peer = decodePeer(encodePeer(sender.peer)) ?? newPeer('nobody');
        } else {
          const next = does === 'deliver-last' ? way.pop() : way.shift();
          if (next === undefined || does === 'lose') continue;
          read.push(receiver.take(next[1]).text);
          delivered.push(next[0]);
          if (does === 'repeat') again.push(receiver.refusal(next[1]));
        }
      }
      expect(read).toEqual(delivered);
      expect(again).not.toContain(undefined);
    }),
    { numRuns: 40 },
  );
});

test('forward secrecy: who takes the state reads nothing of what was read before', () => {
  const { alice, bob } = acquainted();
  const before = [alice.send('one'), alice.send('two')] as const;
  bob.take(before[0]);
  bob.take(before[1]);
  alice.take(bob.send('three'));
  const dumped = { alice: alice.peer, bob: bob.peer };
  for (const envelope of before) {
    bob.peer = dumped.bob;
    expect(bob.refusal(envelope)).toBeTypeOf('string');
  }
  // No secret from which those keys came is left: not the first root key, nor the pair that made the chain.
  const started = pair();
  const secrets = [started.alice.peer.primary?.ratchet.root, started.alice.peer.primary?.ratchet.sending?.key];
  const { alice: a, bob: b } = started;
  b.take(a.send('hello'));
  a.take(b.send('hello'));
  b.take(a.send('hello again'));
  for (const state of [a.peer, b.peer])
    for (const secret of secrets) expect(hex(encodePeer(state))).not.toContain(hex(secret ?? new Uint8Array(32)));
});

test('the private half of a ratchet pair is gone as soon as the other side has answered it', () => {
  const { alice, bob } = acquainted();
  const pairOf = (): string => hex(bob.peer.primary?.ratchet.own?.privateKey ?? new Uint8Array(0));
  const used = pairOf();
  expect(used).toHaveLength(64);
  bob.take(alice.send('answered'));
  expect(hex(encodePeer(bob.peer))).not.toContain(used);
  bob.send('a new one');
  expect([used, '']).not.toContain(pairOf());
});

test('a message key is gone once its message is read, and kept while it is missing', () => {
  const { alice, bob } = acquainted();
  const [missing, read] = sendMany(alice, 2) as [EncryptedEnvelope, EncryptedEnvelope];
  bob.take(read);
  const kept = bob.peer.primary?.ratchet.skipped[0]?.key ?? new Uint8Array(32);
  expect(hex(encodePeer(bob.peer))).toContain(hex(kept));
  bob.take(missing);
  expect(hex(encodePeer(bob.peer))).not.toContain(hex(kept));
});

test('healing: who has taken the state reads nothing any more once both have spoken', () => {
  const { alice, bob } = acquainted();
  const thief = { ...bob.peer };
  const taken = alice.send('while it was his');
  const reader = acquainted().bob;
  reader.own = bob.own;
  reader.peer = thief;
  expect(reader.take(taken).text).toBe('while it was his');
  bob.take(taken);
  alice.take(bob.send('a fresh key of mine'));
  const healed = alice.send('ours again');
  expect(reader.refusal(healed)).toBeTypeOf('string');
  expect(bob.take(healed).text).toBe('ours again');
});
