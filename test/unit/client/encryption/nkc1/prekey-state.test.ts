import { expect, test } from 'vitest';
import { parsePreKeyBundle } from '../../../../../src/client/encryption/nkc1/prekey-bundle.ts';
import { generateIdentityKeyPair } from '../../../../../src/client/encryption/nkc1/identity-key.ts';
import {
  removeOneTimePreKey,
  decodePreKeyState,
  encodePreKeyState,
  removeExpiredPreKeys,
  markDepleted,
  markPublished,
  EMPTY_PREKEY_STATE,
  type PreKeyState,
  rotationAt,
  uploadDelay,
} from '../../../../../src/client/encryption/nkc1/prekey-state.ts';
import { preKeyStateAfterImport, prepareUpload } from '../../../../../src/client/encryption/keys/prekey-upload.ts';
import { ed25519Sign } from '../../../../../src/client/encryption/nkc1/primitives.ts';
import { bytesOf, DAY, NOW, randomOf } from './parties.ts';

const random = randomOf('prekeys');
const identity = generateIdentityKeyPair(random);
const MINUTE = 60_000;
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

function publish(state: PreKeyState, now = NOW): PreKeyState {
  const prepared = prepareUpload(state, identity, random, now);
  return markPublished(prepared.state, prepared.upload);
}
const published = publish(EMPTY_PREKEY_STATE);

test('the first upload has a signed prekey and 100 one-time prekeys, numbered from 1', () => {
  const { bundle, state } = prepareUpload(EMPTY_PREKEY_STATE, identity, random, NOW);
  expect(bundle.signedPreKey.keyId).toBe(1);
  expect(bundle.oneTimePreKeys.map(({ keyId }) => keyId)).toEqual(Array.from({ length: 100 }, (_, at) => at + 1));
  expect(new Set(bundle.oneTimePreKeys.map(({ publicKey }) => publicKey)).size).toBe(100);
  // The state to be stored before the upload contains their private keys.
  expect(state.oneTimePreKeys.map(({ publicKey }) => base64(publicKey))).toEqual(
    bundle.oneTimePreKeys.map(({ publicKey }) => publicKey),
  );
});

test('an unconfirmed upload is not repeated: the server may have handed out its one-time prekeys', () => {
  const first = prepareUpload(EMPTY_PREKEY_STATE, identity, random, NOW);
  const second = prepareUpload(first.state, identity, random, NOW + MINUTE);
  const ids = [first, second].flatMap(({ bundle }) => bundle.oneTimePreKeys.map(({ keyId }) => keyId));
  expect(new Set(ids).size).toBe(200);
  // A signed prekey may be uploaded again.
  expect(second.bundle.signedPreKey).toEqual(first.bundle.signedPreKey);
  const late = markPublished(markPublished(second.state, second.upload), first.upload);
  expect(late.publishedOneTimeFrom).toBe(101);
});

const useUp = (state: PreKeyState, count: number): PreKeyState =>
  Array.from({ length: count }, (_, at) => state.publishedOneTimeFrom + at).reduce(removeOneTimePreKey, state);

test.each<[title: string, state: PreKeyState, now: number, due: number | undefined]>([
  ['nothing is published', EMPTY_PREKEY_STATE, NOW, 0],
  ['the first upload was just prepared', prepareUpload(EMPTY_PREKEY_STATE, identity, random, NOW).state, NOW, MINUTE],
  [
    'the first upload was prepared half a minute ago',
    prepareUpload(EMPTY_PREKEY_STATE, identity, random, NOW).state,
    NOW + 30_000,
    30_000,
  ],
  [
    'the first upload was prepared and the clock was set back',
    prepareUpload(EMPTY_PREKEY_STATE, identity, random, NOW).state,
    NOW - DAY,
    MINUTE,
  ],
  ['all keys are published', published, NOW + DAY, undefined],
  ['the server is depleted', markDepleted(published), NOW + DAY, 0],
  ['the server is depleted 1 ms after an upload', markDepleted(published), NOW + 1, MINUTE - 1],
  ['74 one-time prekeys are used', useUp(published, 74), NOW + DAY, undefined],
  ['75 one-time prekeys are used', useUp(published, 75), NOW + DAY, 0],
  ['the signed prekey is nearly 7 days old', published, NOW + 7 * DAY - 1, undefined],
  ['the signed prekey is 7 days old', published, NOW + 7 * DAY, 0],
])('uploadDelay is right if %s', (_title, state, now, due) => {
  expect(uploadDelay(state, now)).toBe(due);
});

test('the signed prekey is replaced after 7 days, and its private key is kept for another 30 days', () => {
  expect(rotationAt(published)).toBe(NOW + 7 * DAY);
  expect(publish(published, NOW + 7 * DAY - 1).signedPreKeys).toHaveLength(1);
  const rotated = publish(published, NOW + 7 * DAY);
  expect(rotated.signedPreKeys.map(({ id }) => id)).toEqual([1, 2]);
  expect(rotated.publishedSignedId).toBe(2);
  expect(removeExpiredPreKeys(rotated, NOW + 37 * DAY - 1).signedPreKeys.map(({ id }) => id)).toEqual([1, 2]);
  expect(removeExpiredPreKeys(rotated, NOW + 37 * DAY).signedPreKeys.map(({ id }) => id)).toEqual([2]);
});

test('a published signed prekey never expires', () => {
  const pending = prepareUpload(published, identity, random, NOW + 8 * DAY).state;
  expect(removeExpiredPreKeys(pending, NOW + 100 * DAY).signedPreKeys.map(({ id }) => id)).toEqual([1, 2]);
});

test('replaced one-time prekeys expire after 30 days, published ones never do', () => {
  const replaced = publish(published, NOW + DAY);
  expect(replaced.oneTimePreKeys).toHaveLength(200);
  expect(removeExpiredPreKeys(replaced, NOW + 30 * DAY).oneTimePreKeys.map(({ id }) => id)[0]).toBe(101);
  expect(removeExpiredPreKeys(replaced, NOW + 300 * DAY).oneTimePreKeys).toHaveLength(100);
});

test('at most 1,000 private one-time prekeys are kept', () => {
  let state = EMPTY_PREKEY_STATE;
  for (let at = 0; at < 12; at += 1) state = prepareUpload(state, identity, random, NOW + at * MINUTE).state;
  expect(state.oneTimePreKeys).toHaveLength(1_000);
  expect(state.nextOneTimeId).toBe(1_201);
});

test('prekey ids end below 2³¹ and are never reused', () => {
  const last = { ...EMPTY_PREKEY_STATE, nextOneTimeId: 2 ** 31 - 101 };
  expect(prepareUpload(last, identity, random, NOW).bundle.oneTimePreKeys.at(-1)?.keyId).toBe(2 ** 31 - 2);
  expect(() => prepareUpload({ ...last, nextOneTimeId: 2 ** 31 - 100 }, identity, random, NOW)).toThrow(RangeError);
  for (const fill of [0, 255]) {
    const { nextSignedId, nextOneTimeId } = preKeyStateAfterImport((length) => bytesOf(fill, length));
    expect(nextSignedId).toBe(nextOneTimeId);
    expect(nextOneTimeId).toBeGreaterThanOrEqual(2 ** 29);
    expect(nextOneTimeId).toBeLessThan(2 ** 31 - 2 ** 28);
  }
});

test('prekeys survive serialization, and malformed bytes are rejected', () => {
  for (const state of [EMPTY_PREKEY_STATE, published, markDepleted(published)]) {
    const bytes = encodePreKeyState(state);
    expect(decodePreKeyState(bytes)).toEqual(state);
    expect(decodePreKeyState(bytes.slice(1))).toBeUndefined();
    expect(decodePreKeyState(bytes.slice(0, -1))).toBeUndefined();
    expect(decodePreKeyState(new Uint8Array([...bytes, 0]))).toBeUndefined();
  }
});

const { bundle } = prepareUpload(EMPTY_PREKEY_STATE, identity, random, NOW);
const [oneTimePreKey] = bundle.oneTimePreKeys;
const response = {
  recipientId: 'bob',
  identityKey: bundle.identityKey,
  signedPreKey: bundle.signedPreKey,
  signedPreKeySignature: bundle.signedPreKeySignature,
  oneTimePreKey,
};
const other = generateIdentityKeyPair(randomOf('other'));

test('a valid bundle is parsed, with and without a one-time prekey', () => {
  expect(parsePreKeyBundle('bob', response)).toMatchObject({
    ok: true,
    bundle: { userId: 'bob', oneTimePreKey: { id: 1 } },
  });
  expect(parsePreKeyBundle('bob', { ...response, oneTimePreKey: undefined })).toMatchObject({ ok: true });
});

test.each<[title: string, change: Partial<typeof response>, reason: string]>([
  ['belongs to another user', { recipientId: 'carol' }, 'not-ours'],
  ['has no signature', { signedPreKeySignature: '' }, 'bad-key'],
  ['has another signature', { signedPreKeySignature: base64(bytesOf(1, 64)) }, 'bad-key'],
  [
    'is signed by another identity',
    {
      signedPreKeySignature: base64(ed25519Sign(Buffer.from(bundle.signedPreKey.publicKey, 'base64'), other.secretKey)),
    },
    'bad-key',
  ],
  ['has another identity key', { identityKey: base64(other.publicKey) }, 'bad-key'],
  ['has an identity key of small order', { identityKey: base64(new Uint8Array(32)) }, 'bad-key'],
  ['has another signed prekey', { signedPreKey: { keyId: 1, publicKey: oneTimePreKey?.publicKey ?? '' } }, 'bad-key'],
  ['has a truncated signed prekey', { signedPreKey: { keyId: 1, publicKey: 'AAAA' } }, 'malformed'],
  ['has a signed prekey with id 0', { signedPreKey: { ...bundle.signedPreKey, keyId: 0 } }, 'malformed'],
  ['has base64 with whitespace', { signedPreKeySignature: `${response.signedPreKeySignature}\n` }, 'malformed'],
  ['has an empty one-time prekey', { oneTimePreKey: { keyId: 1, publicKey: '' } }, 'malformed'],
  [
    'has a one-time prekey with id 2³¹',
    { oneTimePreKey: { keyId: 2 ** 31, publicKey: base64(bytesOf(9)) } },
    'malformed',
  ],
])('a bundle that %s is rejected', (_title, change, reason) => {
  expect(parsePreKeyBundle('bob', { ...response, ...change })).toEqual({ ok: false, reason });
});
