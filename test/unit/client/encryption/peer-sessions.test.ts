import { expect, test } from 'vitest';
import type { EncryptedEnvelope } from '../../../../src/protocol/encryption.ts';
import { encodePayload } from '../../../../src/client/encryption/payload.ts';
import {
  decodePeer,
  encodePeer,
  keepIdentity,
  needsSession,
  newPeer,
} from '../../../../src/client/encryption/peer-sessions.ts';
import { acquainted, bundleOf, bytesOf, DAY, End, makeUser, NOW, pair } from './users.ts';

const primaryOf = (end: End): string | undefined => end.peer.primary?.id;
const control = (kind: 'session-ack' | 'session-reset'): Uint8Array => encodePayload({ kind, id: 'c', ts: NOW });

test('who starts sends prekey envelopes until it has read something, then messages', () => {
  const { alice, bob } = pair();
  const envelopes = [alice.send('one'), alice.send('two')];
  expect(envelopes.map(({ messageType }) => messageType)).toEqual(['prekey', 'prekey']);
  expect(envelopes[1]).toMatchObject({ senderEphemeralKey: envelopes[0]?.senderEphemeralKey, usedOneTimePreKeyId: 1 });
  for (const envelope of envelopes) bob.take(envelope);
  const answer = bob.send('three');
  expect(answer.messageType).toBe('message');
  expect(answer.senderEphemeralKey).toBeUndefined();
  alice.take(answer);
  expect(alice.send('four').messageType).toBe('message');
});

test('a session is accepted once, wants one acknowledgement, and is established by it', () => {
  const { alice, bob } = pair();
  const first = bob.take(alice.send('one'));
  expect(first).toMatchObject({ ackDue: true, started: { signedPreKeyId: 1, oneTimePreKeyId: 1 }, established: false });
  expect(bob.take(alice.send('two'))).toMatchObject({ ackDue: false, started: undefined });
  const ack = alice.take(bob.send(control('session-ack'), first.sessionId));
  expect(ack).toMatchObject({ established: true, ackDue: false });
  expect(alice.take(bob.send('three'))).toMatchObject({ established: false });
});

test('the second envelope of a session may come first', () => {
  const { alice, bob } = pair();
  const [one, two] = [alice.send('one'), alice.send('two')];
  expect(bob.take(two)).toMatchObject({ text: 'two', ackDue: true });
  expect(bob.take(one)).toMatchObject({ text: 'one', ackDue: false });
});

test('without a session nothing can be sent, and one that nobody acknowledges is started anew after 30 days', () => {
  const { alice, bob } = pair();
  expect(needsSession(newPeer('bob'), NOW)).toBe(true);
  expect(() => new End(alice.own, 'bob').send('x')).toThrow('unknown-session');
  expect(needsSession(alice.peer, NOW + 30 * DAY - 1)).toBe(false);
  expect(needsSession(alice.peer, NOW + 30 * DAY)).toBe(true);
  bob.take(alice.send('x'));
  alice.take(bob.send('y'));
  expect(needsSession(alice.peer, NOW + 300 * DAY)).toBe(false);
  expect(needsSession(bob.peer, NOW + 300 * DAY)).toBe(false);
});

/** Both have started a session, and neither has heard of the other's. */
function crossed(seed: string): { alice: End; bob: End; smaller: string } {
  const alice = new End(makeUser('alice'), 'bob', `alice ${seed}`);
  const bob = new End(makeUser('bob'), 'alice', `bob ${seed}`);
  alice.start(bundleOf(bob.own));
  bob.start(bundleOf(alice.own));
  const [a, b] = [alice.peer.primary, bob.peer.primary];
  if (a === undefined || b === undefined) throw new Error('neither started');
  return { alice, bob, smaller: Buffer.compare(a.transcript, b.transcript) < 0 ? a.id : b.id };
}

test.each(['one', 'two', 'three', 'four'])(
  'when both start at once, both keep the session with the smaller TH (%s)',
  (seed) => {
    const { alice, bob, smaller } = crossed(seed);
    const [toBob, alsoToBob] = [alice.send('from alice'), alice.send('again')];
    const [toAlice, alsoToAlice] = [bob.send('from bob'), bob.send('again')];
    expect(alice.take(toAlice).text).toBe('from bob');
    expect(bob.take(toBob).text).toBe('from alice');
    alice.take(alsoToAlice);
    bob.take(alsoToBob);
    expect([primaryOf(alice), primaryOf(bob)]).toEqual([smaller, smaller]);
    // Each acknowledges the other's, which moves nothing.
    const acks = [
      bob.send(control('session-ack'), toBob.sessionId),
      alice.send(control('session-ack'), toAlice.sessionId),
    ];
    alice.take(acks[0] as EncryptedEnvelope);
    bob.take(acks[1] as EncryptedEnvelope);
    expect([primaryOf(alice), primaryOf(bob)]).toEqual([smaller, smaller]);
    expect(bob.take(alice.send('settled')).sessionId).toBe(smaller);
    expect(alice.take(bob.send('settled')).sessionId).toBe(smaller);
  },
);

test('when only one of two sessions arrives, both use that one in the end', () => {
  for (const seed of ['one', 'two', 'three']) {
    const { alice, bob } = crossed(seed);
    alice.send('lost');
    alice.take(bob.send('from bob'));
    bob.take(alice.send('which one'));
    alice.take(bob.send('this one'));
    bob.take(alice.send('fine'));
    expect(primaryOf(alice)).toBe(primaryOf(bob));
  }
});

test('the newest message of an archived session brings it back, a late one does not', () => {
  const { alice, bob } = acquainted();
  const old = primaryOf(bob);
  const [late, newest] = [alice.send('late'), alice.send('newest')] as const;
  bob.start(bundleOf(alice.own));
  const fresh = primaryOf(bob);
  alice.take(bob.send('a fresh one'));
  bob.take(alice.send('good'));
  expect(primaryOf(bob)).toBe(fresh);
  expect(bob.take(newest).sessionId).toBe(old);
  expect(primaryOf(bob)).toBe(old);
  bob.take(alice.send('on the fresh one'));
  expect(primaryOf(bob)).toBe(fresh);
  bob.take(late);
  expect(primaryOf(bob)).toBe(fresh);
});

test('five archived sessions are kept, the ones used last', () => {
  const { alice, bob } = acquainted();
  const kept = alice.send('on the first');
  const ids = [primaryOf(alice)];
  for (let at = 0; at < 5; at += 1) {
    ids.push(alice.start(bundleOf(bob.own, false)));
    bob.take(alice.send(`session ${at}`));
  }
  expect(bob.peer.archived.map(({ id }) => id)).toEqual(ids.slice(0, 5).reverse());
  expect(bob.take(kept).text).toBe('on the first');
  alice.start(bundleOf(bob.own, false));
  bob.take(alice.send('one more'));
  expect(bob.peer.archived).toHaveLength(5);
  expect(bob.peer.archived.map(({ id }) => id)).not.toContain(ids[1]);
});

test('a reset makes its session the one to use, also against a smaller TH', () => {
  for (const seed of ['one', 'two', 'three', 'four']) {
    const { alice, bob } = crossed(seed);
    const reset = alice.send(control('session-reset'));
    bob.take(reset);
    expect(primaryOf(bob)).toBe(reset.sessionId);
  }
});

test('who has lost everything starts anew, and both go on', () => {
  const { alice, bob } = acquainted();
  const lost = alice.send('never read');
  const restored = new End(makeUser('bob'), 'alice', 'restored');
  expect(restored.refusal(lost)).toBe('unknown-session');
  restored.start(bundleOf(alice.own));
  expect(alice.take(restored.send(control('session-reset')))).toMatchObject({ ackDue: true });
  expect(restored.take(alice.send('once more')).text).toBe('once more');
  expect(bob.peer.primary?.id).not.toBe(alice.peer.primary?.id);
});

test('sessions of another identity are dropped, the archived ones too', () => {
  const { alice, bob } = acquainted();
  const old = alice.peer.primary?.peerIdentity ?? bytesOf(0);
  const other = new End({ ...makeUser('carol'), userId: 'bob' }, 'alice', 'other');
  alice.start(bundleOf(other.own));
  expect(keepIdentity(alice.peer, old)).toMatchObject({ primary: { peerIdentity: old }, archived: [] });
  const now = keepIdentity(alice.peer, other.own.identity.publicKey);
  expect(now).toMatchObject({ primary: { peerIdentity: other.own.identity.publicKey }, archived: [] });
  expect(keepIdentity(alice.peer, bytesOf(1))).toMatchObject({ primary: undefined, archived: [] });
  expect(bob.peer.primary).toBeDefined();
});

test('a peer comes back from storage as it was, and anything else not at all', () => {
  const { alice, bob } = acquainted();
  const [, second] = [alice.send('skipped'), alice.send('read')];
  bob.take(second);
  alice.start(bundleOf(bob.own));
  for (const peer of [alice.peer, bob.peer, newPeer('zoë')]) {
    const bytes = encodePeer(peer);
    expect(decodePeer(bytes)).toEqual(peer);
    for (const length of [0, 1, bytes.length >> 1, bytes.length - 1])
      expect(decodePeer(bytes.slice(0, length))).toBeUndefined();
    expect(decodePeer(new Uint8Array([...bytes, 0]))).toBeUndefined();
    expect(decodePeer(bytes.with(0, 2))).toBeUndefined();
  }
});

test('a step changes no state in place', () => {
  const { alice, bob } = acquainted();
  const before = { alice: encodePeer(alice.peer), bob: encodePeer(bob.peer) };
  const held = { alice: alice.peer, bob: bob.peer };
  for (let at = 0; at < 3; at += 1) {
    alice.send('lost');
    bob.take(alice.send('read'));
    alice.take(bob.send('answered'));
  }
  expect(encodePeer(held.alice)).toEqual(before.alice);
  expect(encodePeer(held.bob)).toEqual(before.bob);
});
