import { expect, test } from 'vitest';
import type { EncryptedEnvelope } from '../../../../../src/protocol/encryption.ts';
import {
  decodeSessionRecord,
  encodeSessionRecord,
  newSessionRecord,
} from '../../../../../src/client/encryption/nkc1/session-record.ts';
import { establishedPair, DAY, type TestParty, hex, NOW, startedPair, randomOf } from './parties.ts';
import { fc } from '../../../../helpers/property.ts';

const skippedBy = (end: TestParty): number => end.record.primary?.ratchet.skippedKeys.length ?? 0;
const sendMany = (end: TestParty, count: number): EncryptedEnvelope[] =>
  Array.from({ length: count }, (_, at) => end.send(`message ${at}`));

test('messages are decrypted both ways over many ratchet turns', () => {
  const { alice, bob } = establishedPair();
  for (let turn = 0; turn < 10; turn += 1) {
    expect(bob.receive(alice.send(`a ${turn}`)).text).toBe(`a ${turn}`);
    for (let more = 0; more < turn % 3; more += 1)
      expect(bob.receive(alice.send(`more ${more}`)).text).toBe(`more ${more}`);
    expect(alice.receive(bob.send(`b ${turn}`)).text).toBe(`b ${turn}`);
  }
});

test.each([0, 1, 254, 255, 256, 511, 512, 10_000])(
  'a plaintext of %s bytes is padded to whole blocks and decrypted unchanged',
  (length) => {
    const { alice, bob } = establishedPair();
    const envelope = alice.send(new Uint8Array(length).fill(0x80));
    const sealed = Buffer.from(envelope.ciphertext, 'base64').length - 58 - 16;
    expect(sealed % 256).toBe(0);
    expect(sealed).toBe(Math.floor(length / 256) * 256 + 256);
    expect(bob.receive(envelope).plaintext).toEqual(new Uint8Array(length).fill(0x80));
  },
);

test('1,000 messages can be skipped, 1,001 cannot', () => {
  const { alice, bob } = establishedPair();
  const sent = sendMany(alice, 1_002);
  expect(bob.rejection(sent[1_001] as EncryptedEnvelope)).toBe('gap');
  expect(bob.receive(sent[1_000] as EncryptedEnvelope).text).toBe('message 1000');
  expect(skippedBy(bob)).toBe(1_000);
  expect(bob.receive(sent[1_001] as EncryptedEnvelope).text).toBe('message 1001');
  expect(bob.receive(sent[0] as EncryptedEnvelope).text).toBe('message 0');
});

test.each([
  [1_000, undefined],
  [1_001, 'gap'],
])('with %s messages skipped before a ratchet turn, the rejection is %s', (missing, refusal) => {
  const { alice, bob } = establishedPair();
  bob.receive(alice.send('first'));
  sendMany(alice, missing);
  alice.receive(bob.send('turn'));
  const envelope = alice.send('after');
  expect(bob.rejection(envelope)).toBe(refusal);
});

test('beyond 2,000 skipped keys the oldest is evicted', () => {
  const { alice, bob } = establishedPair();
  const sent = sendMany(alice, 2_004);
  for (const at of [1_000, 2_001, 2_003]) bob.receive(sent[at] as EncryptedEnvelope);
  // 2,001 keys were skipped, of which one was evicted.
  expect(skippedBy(bob)).toBe(2_000);
  expect(bob.rejection(sent[0] as EncryptedEnvelope)).toBe('replay');
  expect(bob.receive(sent[1] as EncryptedEnvelope).text).toBe('message 1');
  expect(bob.receive(sent[2_002] as EncryptedEnvelope).text).toBe('message 2002');
});

test('a skipped key expires after 30 days', () => {
  const { alice, bob } = establishedPair();
  const [early, late, last] = sendMany(alice, 3) as [EncryptedEnvelope, EncryptedEnvelope, EncryptedEnvelope];
  bob.receive(last);
  expect(bob.rejection(early, NOW + 30 * DAY - 1)).toBeUndefined();
  expect(bob.rejection(early, NOW + 30 * DAY)).toBe('replay');
  bob.receive(late, NOW + 30 * DAY - 1);
  bob.receive(alice.send('a month later'), NOW + 31 * DAY);
  expect(skippedBy(bob)).toBe(0);
});

test('200 messages shuffled over several ratchet turns are decrypted, once each', () => {
  const random = randomOf('shuffle');
  const { alice, bob } = establishedPair();
  const toBob: EncryptedEnvelope[] = [];
  const read: string[] = [];
  for (let turn = 0; turn < 8; turn += 1) {
    for (let at = 0; at < 25; at += 1) toBob.push(alice.send(`${turn}:${at}`));
    // Bob decrypts one, so that his answer turns the ratchet while the others are delayed.
    const [pick] = toBob.splice(((random(1)[0] ?? 0) * toBob.length) >> 8, 1);
    if (pick !== undefined) read.push(bob.receive(pick).text);
    alice.receive(bob.send('turn'));
  }
  const order = toBob.map((envelope) => ({ envelope, by: hex(random(8)) })).toSorted((a, b) => (a.by < b.by ? -1 : 1));
  for (const { envelope } of order) read.push(bob.receive(envelope).text);
  expect(new Set(read).size).toBe(200);
  for (const { envelope } of order) expect(bob.rejection(envelope)).toBeTypeOf('string');
});

test('messages lost across a ratchet turn do not prevent later ones', () => {
  const { alice, bob } = establishedPair();
  const lost = sendMany(alice, 3);
  alice.receive(bob.send('you there?'));
  const after = sendMany(alice, 2) as [EncryptedEnvelope, EncryptedEnvelope];
  expect(bob.receive(after[1]).text).toBe('message 1');
  alice.receive(bob.send('now you are'));
  expect(bob.receive(alice.send('yes')).text).toBe('yes');
  for (const [at, envelope] of lost.entries()) expect(bob.receive(envelope).text).toBe(`message ${at}`);
});

test('random losses, repetitions and delays never desynchronize the ratchets', () => {
  const step = fc.record({
    from: fc.constantFrom('alice' as const, 'bob' as const),
    does: fc.constantFrom('send', 'send', 'deliver', 'deliver', 'deliver-last', 'lose', 'repeat', 'restart'),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const ends = establishedPair();
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
          sender.record = decodeSessionRecord(encodeSessionRecord(sender.record)) ?? newSessionRecord('unknown');
        } else {
          const next = does === 'deliver-last' ? way.pop() : way.shift();
          if (next === undefined || does === 'lose') continue;
          read.push(receiver.receive(next[1]).text);
          delivered.push(next[0]);
          if (does === 'repeat') again.push(receiver.rejection(next[1]));
        }
      }
      expect(read).toEqual(delivered);
      expect(again).not.toContain(undefined);
    }),
    { numRuns: 40 },
  );
});

test('forward secrecy: a stolen state does not decrypt earlier messages', () => {
  const { alice, bob } = establishedPair();
  const before = [alice.send('one'), alice.send('two')] as const;
  bob.receive(before[0]);
  bob.receive(before[1]);
  alice.receive(bob.send('three'));
  const dumped = { alice: alice.record, bob: bob.record };
  for (const envelope of before) {
    bob.record = dumped.bob;
    expect(bob.rejection(envelope)).toBeTypeOf('string');
  }
  // The state contains no secret that those keys were derived from.
  const started = startedPair();
  const secrets = [started.alice.record.primary?.ratchet.rootKey, started.alice.record.primary?.ratchet.sending?.key];
  const { alice: a, bob: b } = started;
  b.receive(a.send('hello'));
  a.receive(b.send('hello'));
  b.receive(a.send('hello again'));
  for (const state of [a.record, b.record])
    for (const secret of secrets)
      expect(hex(encodeSessionRecord(state))).not.toContain(hex(secret ?? new Uint8Array(32)));
});

test('a ratchet private key is deleted as soon as the peer has answered it', () => {
  const { alice, bob } = establishedPair();
  const pairOf = (): string => hex(bob.record.primary?.ratchet.ownKeyPair?.privateKey ?? new Uint8Array(0));
  const used = pairOf();
  expect(used).toHaveLength(64);
  bob.receive(alice.send('answered'));
  expect(hex(encodeSessionRecord(bob.record))).not.toContain(used);
  bob.send('a new one');
  expect([used, '']).not.toContain(pairOf());
});

test('a skipped key is deleted once its message is decrypted', () => {
  const { alice, bob } = establishedPair();
  const [missing, read] = sendMany(alice, 2) as [EncryptedEnvelope, EncryptedEnvelope];
  bob.receive(read);
  const kept = bob.record.primary?.ratchet.skippedKeys[0]?.key ?? new Uint8Array(32);
  expect(hex(encodeSessionRecord(bob.record))).toContain(hex(kept));
  bob.receive(missing);
  expect(hex(encodeSessionRecord(bob.record))).not.toContain(hex(kept));
});

test('post-compromise security: a stolen state decrypts nothing after one message each way', () => {
  const { alice, bob } = establishedPair();
  const stolen = { ...bob.record };
  const intercepted = alice.send('while compromised');
  const attacker = establishedPair().bob;
  attacker.local = bob.local;
  attacker.record = stolen;
  expect(attacker.receive(intercepted).text).toBe('while compromised');
  bob.receive(intercepted);
  alice.receive(bob.send('a fresh key of mine'));
  const healed = alice.send('ours again');
  expect(attacker.rejection(healed)).toBeTypeOf('string');
  expect(bob.receive(healed).text).toBe('ours again');
});
