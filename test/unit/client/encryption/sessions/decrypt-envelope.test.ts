import { expect, test } from 'vitest';
import { getSessionRecord, type Keystore, RECORDS } from '../../../../../src/client/encryption/keystore/keystore.ts';
import { encodePreKeyState } from '../../../../../src/client/encryption/nkc1/prekey-state.ts';
import {
  decryptFromPeer,
  type DecryptionResult,
  recordsForSender,
} from '../../../../../src/client/encryption/sessions/decrypt-envelope.ts';
import { fromBase64, toBase64 } from '../../../../../src/lib/base64.ts';
import type { EncryptedEnvelope } from '../../../../../src/protocol/encryption.ts';
import { openKeystore } from '../../../../helpers/client/keystore.ts';
import { bundleOf, makeUser, NOW, TestParty, textOf } from '../nkc1/parties.ts';

/** A keystore with the keys of the user Bob. */
async function keystoreOfBob(): Promise<Keystore> {
  const { identity, preKeys } = makeUser('bob');
  const keystore = await openKeystore('bob');
  await keystore.records.transact([], (tx) => {
    tx.put(RECORDS.identity, identity.seed);
    tx.put(RECORDS.preKeys, encodePreKeyState(preKeys));
  });
  return keystore;
}

function decrypt(keystore: Keystore, envelope: EncryptedEnvelope): Promise<DecryptionResult> {
  return keystore.records.transact(recordsForSender('alice'), (tx) =>
    decryptFromPeer(tx, keystore, envelope, 'warn', NOW),
  );
}

const LATER = '{"v":2,"text":"hello"}';

test('a first message of a later version starts the session, and its payload is returned to be kept', async () => {
  const keystore = await keystoreOfBob();
  const alice = new TestParty(makeUser('alice'), 'bob');
  alice.start(bundleOf(makeUser('bob')));
  const envelope = alice.send(LATER);
  const result = await decrypt(keystore, envelope);
  expect(result).toMatchObject({ ok: false, reason: 'unsupported', effects: { sessionStarted: true, enqueued: true } });
  if (result.ok) throw new Error('it was decoded');
  expect(result.unsupported && textOf(result.unsupported.plaintext)).toBe(LATER);
  expect(result.unsupported?.identityKey).toEqual(makeUser('alice').identity.publicKey);
  await keystore.records.transact([...recordsForSender('alice'), RECORDS.preKeys], (tx) => {
    expect(getSessionRecord(tx, 'alice').primary?.id).toBe(envelope.sessionId);
    const used = envelope.usedOneTimePreKeyId;
    expect(keystore.localParty(tx).preKeys.oneTimePreKeys.some(({ id }) => id === used)).toBe(false);
  });
  expect(await keystore.records.listNames(RECORDS.mailbox(''))).toHaveLength(1);
  expect(await decrypt(keystore, envelope)).toMatchObject({ ok: false, reason: 'replayed' });
  expect(await decrypt(keystore, alice.send('{"v":1,"id":"i","kind":"session-init","ts":1}'))).toMatchObject({
    ok: true,
  });
});

test('an envelope with the header of a later version changes nothing', async () => {
  const keystore = await keystoreOfBob();
  const alice = new TestParty(makeUser('alice'), 'bob');
  alice.start(bundleOf(makeUser('bob')));
  const envelope = alice.send(LATER);
  const bytes = fromBase64(envelope.ciphertext) ?? new Uint8Array();
  const later = { ...envelope, ciphertext: toBase64(bytes.with(0, 2)) };
  expect(await decrypt(keystore, later)).toEqual({ ok: false, reason: 'unsupported', effects: {} });
  expect(await keystore.records.listNames(RECORDS.session(''))).toEqual([]);
  expect(await decrypt(keystore, envelope)).toMatchObject({ effects: { sessionStarted: true } });
});

test.each([
  ['no header', ''],
  ['version 0', 'AAE='],
  ['type 0', 'AQA='],
])('an envelope with %s is invalid, not of a later version', async (_title, ciphertext) => {
  const alice = new TestParty(makeUser('alice'), 'bob');
  alice.start(bundleOf(makeUser('bob')));
  const result = await decrypt(await keystoreOfBob(), { ...alice.send(LATER), ciphertext });
  expect(result).toMatchObject({ ok: false, reason: 'invalid' });
});
