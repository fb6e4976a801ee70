import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import type { KeyExchangeResponse } from '../../src/protocol/encryption.ts';
import { decryptAttachment, encryptAttachment } from '../../src/client/encryption/attachments.ts';
import { readBackup, writeBackup } from '../../src/client/encryption/backup.ts';
import { readBundle } from '../../src/client/encryption/bundle.ts';
import { newGroup } from '../../src/client/encryption/group.ts';
import { encryptTo, newPeer } from '../../src/client/encryption/peer-sessions.ts';
import { startWith } from '../../src/client/encryption/session-start.ts';
import { NO_PREKEYS } from '../../src/client/encryption/prekeys.ts';
import { prepareUpload } from '../../src/client/encryption/uploading.ts';
import { openSecretbox, secretbox, secureRandom } from '../../src/client/encryption/primitives.ts';
import { receive } from '../../src/client/encryption/receive.ts';
import { createIdentity } from '../../src/client/encryption/identity.ts';
import {
  acceptSenderKey,
  encryptToGroup,
  prepareChain,
  receiveInGroup,
} from '../../src/client/encryption/sender-keys.ts';
import { openAttachment, openBackup, sealAttachment, sealBackup } from './files.ts';
import { InteropGroup } from './group.ts';
import { secretboxOpen, secretboxSeal } from './secretbox.ts';
import { InteropUser } from './user.ts';

const NOW = Date.UTC(2026, 0, 1);
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

function must<T>(outcome: ({ readonly ok: true } & T) | { readonly ok: false; readonly reason: string }): T {
  if (!outcome.ok) throw new Error(outcome.reason);
  return outcome;
}

/** Our side, with what a client would keep. */
class Ours {
  readonly identity = createIdentity(secureRandom);
  readonly #prepared = prepareUpload(NO_PREKEYS, this.identity, secureRandom, NOW);
  readonly own = { userId: 'ours', identity: this.identity, preKeys: this.#prepared.keys };
  peer = newPeer('theirs');

  handOut(oneTime: boolean): KeyExchangeResponse {
    const { identityKey, signedPreKey, signedPreKeySignature, oneTimePreKeys } = this.#prepared.bundle;
    const oneTimePreKey = oneTime ? oneTimePreKeys[3] : undefined;
    return { recipientId: 'ours', identityKey, signedPreKey, signedPreKeySignature, oneTimePreKey };
  }

  start(response: KeyExchangeResponse): void {
    const { bundle } = must(readBundle('theirs', response));
    this.peer = must(startWith(this.peer, this.own, bundle, secureRandom, NOW)).peer;
  }

  encrypt(plaintext: string): ReturnType<InteropUser['encrypt']> {
    const sent = must(encryptTo(this.peer, this.own, utf8(plaintext), secureRandom));
    this.peer = sent.peer;
    return sent.envelope;
  }

  decrypt(envelope: ReturnType<InteropUser['encrypt']>): string {
    const got = must(receive(this.peer, this.own, envelope, NOW));
    this.peer = got.peer;
    return text(got.plaintext);
  }
}

function handOut(user: InteropUser, oneTime: boolean): KeyExchangeResponse {
  const { identityKey, signedPreKey, signedPreKeySignature, oneTimePreKeys } = user.bundle();
  const oneTimePreKey = oneTime ? oneTimePreKeys[0] : undefined;
  return { recipientId: user.userId, identityKey, signedPreKey, signedPreKeySignature, oneTimePreKey };
}

function converse(ours: Ours, theirs: InteropUser): void {
  for (let turn = 0; turn < 4; turn += 1) {
    for (const at of [1, 2, 3]) expect(theirs.decrypt(ours.encrypt(`o${turn}${at}`)).toString()).toBe(`o${turn}${at}`);
    // Out of order, over a turn.
    const late = theirs.encrypt('ours', `late ${turn}`);
    expect(ours.decrypt(theirs.encrypt('ours', 'zwölf Boxkämpfer'))).toBe('zwölf Boxkämpfer');
    const lateOurs = ours.encrypt('late too');
    theirs.decrypt(ours.encrypt('turns'));
    expect(ours.decrypt(theirs.encrypt('ours', 'x'.repeat(5_000)))).toBe('x'.repeat(5_000));
    expect(ours.decrypt(late)).toBe(`late ${turn}`);
    expect(theirs.decrypt(lateOurs).toString()).toBe('late too');
  }
}

test.each([true, false])('we start a session, and both understand one another (one-time key: %s)', (oneTime) => {
  const [ours, theirs] = [new Ours(), new InteropUser('theirs')];
  ours.start(handOut(theirs, oneTime));
  const first = ours.encrypt('hello');
  expect(first.messageType).toBe('prekey');
  expect(theirs.decrypt(first).toString()).toBe('hello');
  expect(ours.decrypt(theirs.encrypt('ours', 'hello'))).toBe('hello');
  expect(ours.encrypt('').messageType).toBe('message');
  converse(ours, theirs);
});

test.each([true, false])('they start a session, and both understand one another (one-time key: %s)', (oneTime) => {
  const [ours, theirs] = [new Ours(), new InteropUser('theirs')];
  const sessionId = theirs.start(ours.handOut(oneTime));
  expect(ours.decrypt(theirs.encrypt('ours', 'hello'))).toBe('hello');
  expect(ours.peer.primary?.id).toBe(sessionId);
  expect(ours.decrypt(theirs.encrypt('ours', 'anybody there?'))).toBe('anybody there?');
  converse(ours, theirs);
});

test('what we publish is what they check, and the other way round', () => {
  const [ours, theirs] = [new Ours(), new InteropUser('theirs')];
  const forged = new InteropUser('theirs').bundle().signedPreKeySignature;
  expect(() => theirs.start({ ...ours.handOut(true), signedPreKeySignature: forged })).toThrow('signature');
  expect(() => ours.start({ ...handOut(theirs, true), signedPreKeySignature: forged })).toThrow('bad-key');
});

test('a group of both reads what each member sends, in any order', () => {
  const [ours, theirs] = [new Ours(), new InteropUser('theirs')];
  const them = new InteropGroup(theirs, 'team');
  const member = { userId: 'theirs', identityKey: theirs.identityKey };
  const prepared = prepareChain(newGroup('team'), [member], secureRandom, NOW);
  let group = must(acceptSenderKey(prepared.group, member, them.key())).group;
  const { chainId, iteration, chainKey, sigKey } = prepared.senderKey;
  them.accept('ours', {
    cid: 'team',
    chainId,
    iteration,
    chainKey: Buffer.from(chainKey),
    sigKey: Buffer.from(sigKey),
  });
  const sent = ['one', 'two', 'three'].map((each) => {
    const step = must(encryptToGroup(group, ours.own, utf8(each), secureRandom));
    group = step.group;
    return step.envelope;
  });
  expect(sent.reverse().map((envelope) => them.decrypt(envelope).toString())).toEqual(['three', 'two', 'one']);
  const got = ['vier', 'fünf', 'sechs']
    .map((each) => them.encrypt(each))
    .reverse()
    .map((envelope) => {
      const step = must(receiveInGroup(group, ours.own, envelope, NOW));
      group = step.group;
      return text(step.plaintext);
    });
  expect(got).toEqual(['sechs', 'fünf', 'vier']);
});

test.each([0, 1, 65_536, 150_000])('a file of %s bytes is read by the other side, both ways', async (size) => {
  const file = randomBytes(size);
  const theirs = sealAttachment(file);
  const opened = await decryptAttachment(new Blob([new Uint8Array(theirs.ciphertext)]), theirs.secret);
  expect(Buffer.from((await opened?.arrayBuffer()) ?? new ArrayBuffer(1))).toEqual(file);
  const { ciphertext, secret } = await encryptAttachment(new Blob([new Uint8Array(file)]), secureRandom);
  const bytes = (each: Uint8Array): Buffer => Buffer.from(each);
  const { key, prefix, sha256 } = secret;
  const theirSecret = { size: secret.size, key: bytes(key), prefix: bytes(prefix), sha256: bytes(sha256) };
  expect(openAttachment(Buffer.from(await ciphertext.arrayBuffer()), theirSecret)).toEqual(file);
});

test.each([0, 1, 15, 16, 17, 64, 300])('a secretbox of %s bytes is the same on both sides', (length) => {
  const [key, nonce, plaintext] = [randomBytes(32), randomBytes(24), randomBytes(length)];
  const box = secretboxSeal(key, nonce, plaintext);
  expect(Buffer.from(secretbox(plaintext, nonce, key))).toEqual(box);
  expect(Buffer.from(openSecretbox(box, nonce, key) ?? new Uint8Array(1))).toEqual(plaintext);
  expect(secretboxOpen(key, nonce, box)).toEqual(plaintext);
});

test('a backup is opened by the other side, both ways', async () => {
  const backup = { userId: 'ours', seed: new Uint8Array(32).fill(5), pins: [], history: 'all of it' };
  const ours = await writeBackup(backup, 'Ünïcode', secureRandom, 10);
  const content = openBackup(Buffer.from(ours), 'Ünïcode');
  expect(JSON.parse(content)).toMatchObject({ userId: 'ours', history: 'all of it' });
  expect(await readBackup(sealBackup(content, 'U\u0308nïcode', 10), 'Ünïcode')).toEqual({ ok: true, backup });
});
