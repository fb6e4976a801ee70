import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import type { KeyExchangeResponse } from '../../src/protocol/encryption.ts';
import { decryptAttachment, encryptAttachment } from '../../src/client/encryption/nkc1/attachment-cipher.ts';
import { decryptBackup, encryptBackup } from '../../src/client/encryption/backup/backup-format.ts';
import { parsePreKeyBundle } from '../../src/client/encryption/nkc1/prekey-bundle.ts';
import { newSenderKeyRecord } from '../../src/client/encryption/nkc1/sender-key-record.ts';
import { newSessionRecord } from '../../src/client/encryption/nkc1/session-record.ts';
import { EMPTY_PREKEY_STATE } from '../../src/client/encryption/nkc1/prekey-state.ts';
import { prepareUpload } from '../../src/client/encryption/keys/prekey-upload.ts';
import { openSecretbox, type Random, secretbox } from '../../src/client/encryption/nkc1/primitives.ts';
import { systemRandom } from '../../src/lib/random.ts';
import { generateIdentityKeyPair } from '../../src/client/encryption/nkc1/identity-key.ts';
import { openAttachment, openBackup, sealAttachment, sealBackup } from './files.ts';
import { InteropGroup } from './group.ts';
import { secretboxOpen, secretboxSeal } from './secretbox.ts';
import { InteropUser } from './user.ts';
import { GroupCipher } from '../../src/client/encryption/nkc1/group-cipher.ts';
import { GroupSessionBuilder } from '../../src/client/encryption/nkc1/group-session-builder.ts';
import { SessionBuilder } from '../../src/client/encryption/nkc1/session-builder.ts';
import { SessionCipher } from '../../src/client/encryption/nkc1/session-cipher.ts';

const NOW = Date.UTC(2026, 0, 1);
const secureRandom: Random = (length) => systemRandom.bytes(length);
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

function unwrap<T>(outcome: ({ readonly ok: true } & T) | { readonly ok: false; readonly reason: string }): T {
  if (!outcome.ok) throw new Error(outcome.reason);
  return outcome;
}

/** A user of the client's implementation, with the state that a client stores. */
class Ours {
  readonly identity = generateIdentityKeyPair(secureRandom);
  readonly #prepared = prepareUpload(EMPTY_PREKEY_STATE, this.identity, secureRandom, NOW);
  readonly local = { userId: 'ours', identity: this.identity, preKeys: this.#prepared.state };
  record = newSessionRecord('theirs');

  keyResponse(oneTime: boolean): KeyExchangeResponse {
    const { identityKey, signedPreKey, signedPreKeySignature, oneTimePreKeys } = this.#prepared.bundle;
    const oneTimePreKey = oneTime ? oneTimePreKeys[3] : undefined;
    return { recipientId: 'ours', identityKey, signedPreKey, signedPreKeySignature, oneTimePreKey };
  }

  start(response: KeyExchangeResponse): void {
    const { bundle } = unwrap(parsePreKeyBundle('theirs', response));
    this.record = unwrap(SessionBuilder.initiate(this.record, this.local, bundle, secureRandom, NOW)).record;
  }

  encrypt(plaintext: string): ReturnType<InteropUser['encrypt']> {
    const sent = unwrap(SessionCipher.encrypt(this.record, this.local, utf8(plaintext), secureRandom));
    this.record = sent.record;
    return sent.envelope;
  }

  decrypt(envelope: ReturnType<InteropUser['encrypt']>): string {
    const got = unwrap(SessionCipher.decrypt(this.record, this.local, envelope, NOW));
    this.record = got.record;
    return text(got.plaintext);
  }
}

function keyResponse(user: InteropUser, oneTime: boolean): KeyExchangeResponse {
  const { identityKey, signedPreKey, signedPreKeySignature, oneTimePreKeys } = user.bundle();
  const oneTimePreKey = oneTime ? oneTimePreKeys[0] : undefined;
  return { recipientId: user.userId, identityKey, signedPreKey, signedPreKeySignature, oneTimePreKey };
}

function converse(ours: Ours, theirs: InteropUser): void {
  for (let turn = 0; turn < 4; turn += 1) {
    for (const at of [1, 2, 3]) expect(theirs.decrypt(ours.encrypt(`o${turn}${at}`)).toString()).toBe(`o${turn}${at}`);
    // Out of order, across a ratchet turn.
    const late = theirs.encrypt('ours', `late ${turn}`);
    expect(ours.decrypt(theirs.encrypt('ours', 'zwölf Boxkämpfer'))).toBe('zwölf Boxkämpfer');
    const lateOurs = ours.encrypt('late too');
    theirs.decrypt(ours.encrypt('turns'));
    expect(ours.decrypt(theirs.encrypt('ours', 'x'.repeat(5_000)))).toBe('x'.repeat(5_000));
    expect(ours.decrypt(late)).toBe(`late ${turn}`);
    expect(theirs.decrypt(lateOurs).toString()).toBe('late too');
  }
}

test.each([true, false])('a session that the client starts works both ways (one-time prekey: %s)', (oneTime) => {
  const [ours, theirs] = [new Ours(), new InteropUser('theirs')];
  ours.start(keyResponse(theirs, oneTime));
  const first = ours.encrypt('hello');
  expect(first.messageType).toBe('prekey');
  expect(theirs.decrypt(first).toString()).toBe('hello');
  expect(ours.decrypt(theirs.encrypt('ours', 'hello'))).toBe('hello');
  expect(ours.encrypt('').messageType).toBe('message');
  converse(ours, theirs);
});

test.each([true, false])(
  'a session that the other implementation starts works both ways (one-time prekey: %s)',
  (oneTime) => {
    const [ours, theirs] = [new Ours(), new InteropUser('theirs')];
    const sessionId = theirs.start(ours.keyResponse(oneTime));
    expect(ours.decrypt(theirs.encrypt('ours', 'hello'))).toBe('hello');
    expect(ours.record.primary?.id).toBe(sessionId);
    expect(ours.decrypt(theirs.encrypt('ours', 'are you there?'))).toBe('are you there?');
    converse(ours, theirs);
  },
);

test('both implementations reject a forged prekey signature', () => {
  const [ours, theirs] = [new Ours(), new InteropUser('theirs')];
  const forged = new InteropUser('theirs').bundle().signedPreKeySignature;
  expect(() => theirs.start({ ...ours.keyResponse(true), signedPreKeySignature: forged })).toThrow('signature');
  expect(() => ours.start({ ...keyResponse(theirs, true), signedPreKeySignature: forged })).toThrow('bad-key');
});

test('both implementations decrypt each other’s group messages, in any order', () => {
  const [ours, theirs] = [new Ours(), new InteropUser('theirs')];
  const them = new InteropGroup(theirs, 'team');
  const member = { userId: 'theirs', identityKey: theirs.identityKey };
  const prepared = GroupSessionBuilder.prepare(newSenderKeyRecord('team'), [member], secureRandom, NOW);
  let record = unwrap(GroupSessionBuilder.accept(prepared.record, member, them.key())).record;
  const { chainId, iteration, chainKey, sigKey } = prepared.senderKey;
  them.accept('ours', {
    cid: 'team',
    chainId,
    iteration,
    chainKey: Buffer.from(chainKey),
    sigKey: Buffer.from(sigKey),
  });
  const sent = ['one', 'two', 'three'].map((each) => {
    const step = unwrap(GroupCipher.encrypt(record, ours.local, utf8(each), secureRandom));
    record = step.record;
    return step.envelope;
  });
  expect(sent.reverse().map((envelope) => them.decrypt(envelope).toString())).toEqual(['three', 'two', 'one']);
  const got = ['vier', 'fünf', 'sechs']
    .map((each) => them.encrypt(each))
    .reverse()
    .map((envelope) => {
      const step = unwrap(GroupCipher.decrypt(record, ours.local, envelope, NOW));
      record = step.record;
      return text(step.plaintext);
    });
  expect(got).toEqual(['sechs', 'fünf', 'vier']);
});

test.each([0, 1, 65_536, 150_000])('both implementations decrypt each other’s files of %s bytes', async (size) => {
  const file = randomBytes(size);
  const theirs = sealAttachment(file);
  const opened = await decryptAttachment(new Blob([new Uint8Array(theirs.ciphertext)]), theirs.secret);
  expect(Buffer.from(await opened.arrayBuffer())).toEqual(file);
  const { ciphertext, secret } = await encryptAttachment(new Blob([new Uint8Array(file)]), secureRandom);
  const bytes = (each: Uint8Array): Buffer => Buffer.from(each);
  const { key, prefix, sha256 } = secret;
  const theirSecret = { size: secret.size, key: bytes(key), prefix: bytes(prefix), sha256: bytes(sha256) };
  expect(openAttachment(Buffer.from(await ciphertext.arrayBuffer()), theirSecret)).toEqual(file);
});

test.each([0, 1, 15, 16, 17, 64, 300])('both implementations make the same secretbox of %s bytes', (length) => {
  const [key, nonce, plaintext] = [randomBytes(32), randomBytes(24), randomBytes(length)];
  const box = secretboxSeal(key, nonce, plaintext);
  expect(Buffer.from(secretbox(plaintext, nonce, key))).toEqual(box);
  expect(Buffer.from(openSecretbox(box, nonce, key) ?? new Uint8Array(1))).toEqual(plaintext);
  expect(secretboxOpen(key, nonce, box)).toEqual(plaintext);
});

test('both implementations decrypt each other’s backups', async () => {
  const content = { userId: 'ours', seed: new Uint8Array(32).fill(5), pins: [], history: 'all of it' };
  const ours = await encryptBackup(content, 'Ünïcode', secureRandom, 10);
  const json = openBackup(Buffer.from(ours), 'Ünïcode');
  expect(JSON.parse(json)).toMatchObject({ userId: 'ours', history: 'all of it' });
  expect(await decryptBackup(sealBackup(json, 'U\u0308nïcode', 10), 'Ünïcode')).toEqual({ ok: true, content });
});
