import { expect, test } from 'vitest';
import type { EncryptedEnvelope } from '../../../../../src/protocol/encryption.ts';
import { encodePayload } from '../../../../../src/client/encryption/nkc1/payload.ts';
import {
  decodeSessionRecord,
  encodeSessionRecord,
  retainIdentity,
  needsSession,
  newSessionRecord,
} from '../../../../../src/client/encryption/nkc1/session-record.ts';
import { establishedPair, bundleOf, bytesOf, DAY, TestParty, makeUser, NOW, startedPair } from './parties.ts';

const primaryOf = (end: TestParty): string | undefined => end.record.primary?.id;
const control = (kind: 'session-ack' | 'session-reset'): Uint8Array => encodePayload({ kind, id: 'c', ts: NOW });

test('the initiator sends prekey envelopes until it has decrypted a message', () => {
  const { alice, bob } = startedPair();
  const envelopes = [alice.send('one'), alice.send('two')];
  expect(envelopes.map(({ messageType }) => messageType)).toEqual(['prekey', 'prekey']);
  expect(envelopes[1]).toMatchObject({ senderEphemeralKey: envelopes[0]?.senderEphemeralKey, usedOneTimePreKeyId: 1 });
  for (const envelope of envelopes) bob.receive(envelope);
  const answer = bob.send('three');
  expect(answer.messageType).toBe('message');
  expect(answer.senderEphemeralKey).toBeUndefined();
  alice.receive(answer);
  expect(alice.send('four').messageType).toBe('message');
});

test('a session is acknowledged once, which establishes it', () => {
  const { alice, bob } = startedPair();
  const first = bob.receive(alice.send('one'));
  expect(first).toMatchObject({ ackDue: true, started: { signedPreKeyId: 1, oneTimePreKeyId: 1 }, established: false });
  expect(bob.receive(alice.send('two'))).toMatchObject({ ackDue: false, started: undefined });
  const ack = alice.receive(bob.send(control('session-ack'), first.sessionId));
  expect(ack).toMatchObject({ established: true, ackDue: false });
  expect(alice.receive(bob.send('three'))).toMatchObject({ established: false });
});

test('the second envelope of a session may arrive first', () => {
  const { alice, bob } = startedPair();
  const [one, two] = [alice.send('one'), alice.send('two')];
  expect(bob.receive(two)).toMatchObject({ text: 'two', ackDue: true });
  expect(bob.receive(one)).toMatchObject({ text: 'one', ackDue: false });
});

test('a session is needed before sending, and another one if it is unacknowledged for 30 days', () => {
  const { alice, bob } = startedPair();
  expect(needsSession(newSessionRecord('bob'), NOW)).toBe(true);
  expect(() => new TestParty(alice.local, 'bob').send('x')).toThrow('unknown-session');
  expect(needsSession(alice.record, NOW + 30 * DAY - 1)).toBe(false);
  expect(needsSession(alice.record, NOW + 30 * DAY)).toBe(true);
  bob.receive(alice.send('x'));
  alice.receive(bob.send('y'));
  expect(needsSession(alice.record, NOW + 300 * DAY)).toBe(false);
  expect(needsSession(bob.record, NOW + 300 * DAY)).toBe(false);
});

/** Both have started a session and have not received each other's. */
function crossed(seed: string): { alice: TestParty; bob: TestParty; smaller: string } {
  const alice = new TestParty(makeUser('alice'), 'bob', `alice ${seed}`);
  const bob = new TestParty(makeUser('bob'), 'alice', `bob ${seed}`);
  alice.start(bundleOf(bob.local));
  bob.start(bundleOf(alice.local));
  const [a, b] = [alice.record.primary, bob.record.primary];
  if (a === undefined || b === undefined) throw new Error('a session is missing');
  return { alice, bob, smaller: Buffer.compare(a.transcript, b.transcript) < 0 ? a.id : b.id };
}

test.each(['one', 'two', 'three', 'four'])(
  'after simultaneous initiation both keep the session with the smaller TH (%s)',
  (seed) => {
    const { alice, bob, smaller } = crossed(seed);
    const [toBob, alsoToBob] = [alice.send('from alice'), alice.send('again')];
    const [toAlice, alsoToAlice] = [bob.send('from bob'), bob.send('again')];
    expect(alice.receive(toAlice).text).toBe('from bob');
    expect(bob.receive(toBob).text).toBe('from alice');
    alice.receive(alsoToAlice);
    bob.receive(alsoToBob);
    expect([primaryOf(alice), primaryOf(bob)]).toEqual([smaller, smaller]);
    // The acknowledgements don't change the primary session.
    const acks = [
      bob.send(control('session-ack'), toBob.sessionId),
      alice.send(control('session-ack'), toAlice.sessionId),
    ];
    alice.receive(acks[0] as EncryptedEnvelope);
    bob.receive(acks[1] as EncryptedEnvelope);
    expect([primaryOf(alice), primaryOf(bob)]).toEqual([smaller, smaller]);
    expect(bob.receive(alice.send('settled')).sessionId).toBe(smaller);
    expect(alice.receive(bob.send('settled')).sessionId).toBe(smaller);
  },
);

test('after simultaneous initiation with lost messages both use the same session', () => {
  for (const seed of ['one', 'two', 'three']) {
    const { alice, bob } = crossed(seed);
    alice.send('lost');
    alice.receive(bob.send('from bob'));
    bob.receive(alice.send('which one'));
    alice.receive(bob.send('this one'));
    bob.receive(alice.send('fine'));
    expect(primaryOf(alice)).toBe(primaryOf(bob));
  }
});

test('the newest message of an archived session makes it primary, a late one does not', () => {
  const { alice, bob } = establishedPair();
  const old = primaryOf(bob);
  const [late, newest] = [alice.send('late'), alice.send('newest')] as const;
  bob.start(bundleOf(alice.local));
  const fresh = primaryOf(bob);
  alice.receive(bob.send('a fresh one'));
  bob.receive(alice.send('good'));
  expect(primaryOf(bob)).toBe(fresh);
  expect(bob.receive(newest).sessionId).toBe(old);
  expect(primaryOf(bob)).toBe(old);
  bob.receive(alice.send('on the fresh one'));
  expect(primaryOf(bob)).toBe(fresh);
  bob.receive(late);
  expect(primaryOf(bob)).toBe(fresh);
});

test('the five most recently used sessions are archived', () => {
  const { alice, bob } = establishedPair();
  const kept = alice.send('on the first');
  const ids = [primaryOf(alice)];
  for (let at = 0; at < 5; at += 1) {
    ids.push(alice.start(bundleOf(bob.local)));
    bob.receive(alice.send(`session ${at}`));
  }
  expect(bob.record.archived.map(({ id }) => id)).toEqual(ids.slice(0, 5).reverse());
  expect(bob.receive(kept).text).toBe('on the first');
  alice.start(bundleOf(bob.local));
  bob.receive(alice.send('one more'));
  expect(bob.record.archived).toHaveLength(5);
  expect(bob.record.archived.map(({ id }) => id)).not.toContain(ids[1]);
});

test('a session-reset makes its session primary, even against a smaller TH', () => {
  for (const seed of ['one', 'two', 'three', 'four']) {
    const { alice, bob } = crossed(seed);
    const reset = alice.send(control('session-reset'));
    bob.receive(reset);
    expect(primaryOf(bob)).toBe(reset.sessionId);
  }
});

test('a user who has lost all sessions can start another one', () => {
  const { alice, bob } = establishedPair();
  const lost = alice.send('never read');
  const restored = new TestParty(makeUser('bob'), 'alice', 'restored');
  expect(restored.rejection(lost)).toBe('unknown-session');
  restored.start(bundleOf(alice.local));
  expect(alice.receive(restored.send(control('session-reset')))).toMatchObject({ ackDue: true });
  expect(restored.receive(alice.send('once more')).text).toBe('once more');
  expect(bob.record.primary?.id).not.toBe(alice.record.primary?.id);
});

test('sessions of another identity are removed, also archived ones', () => {
  const { alice, bob } = establishedPair();
  const old = alice.record.primary?.peerIdentity ?? bytesOf(0);
  const other = new TestParty({ ...makeUser('carol'), userId: 'bob' }, 'alice', 'other');
  alice.start(bundleOf(other.local));
  expect(retainIdentity(alice.record, old)).toMatchObject({ primary: { peerIdentity: old }, archived: [] });
  const now = retainIdentity(alice.record, other.local.identity.publicKey);
  expect(now).toMatchObject({ primary: { peerIdentity: other.local.identity.publicKey }, archived: [] });
  expect(retainIdentity(alice.record, bytesOf(1))).toMatchObject({ primary: undefined, archived: [] });
  expect(bob.record.primary).toBeDefined();
});

test('a session record survives serialization, and malformed bytes are rejected', () => {
  const { alice, bob } = establishedPair();
  const [, second] = [alice.send('skipped'), alice.send('read')];
  bob.receive(second);
  alice.start(bundleOf(bob.local));
  for (const record of [alice.record, bob.record, newSessionRecord('zoë')]) {
    const bytes = encodeSessionRecord(record);
    expect(decodeSessionRecord(bytes)).toEqual(record);
    for (const length of [0, 1, bytes.length >> 1, bytes.length - 1])
      expect(decodeSessionRecord(bytes.slice(0, length))).toBeUndefined();
    expect(decodeSessionRecord(new Uint8Array([...bytes, 0]))).toBeUndefined();
    expect(decodeSessionRecord(bytes.with(0, 2))).toBeUndefined();
  }
});

test('encrypting and decrypting do not mutate records', () => {
  const { alice, bob } = establishedPair();
  const before = { alice: encodeSessionRecord(alice.record), bob: encodeSessionRecord(bob.record) };
  const held = { alice: alice.record, bob: bob.record };
  for (let at = 0; at < 3; at += 1) {
    alice.send('lost');
    bob.receive(alice.send('read'));
    alice.receive(bob.send('answered'));
  }
  expect(encodeSessionRecord(held.alice)).toEqual(before.alice);
  expect(encodeSessionRecord(held.bob)).toEqual(before.bob);
});
