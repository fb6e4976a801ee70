import { expect, test } from 'vitest';
import { readBundle } from '../../../../src/client/encryption/bundle.ts';
import { createIdentity } from '../../../../src/client/encryption/identity.ts';
import {
  consumeOneTime,
  decodePreKeys,
  encodePreKeys,
  expirePreKeys,
  markDepleted,
  markPublished,
  NO_PREKEYS,
  type PreKeys,
  rotationAt,
  uploadDue,
} from '../../../../src/client/encryption/prekeys.ts';
import { importedPreKeys, prepareUpload } from '../../../../src/client/encryption/uploading.ts';
import { sign } from '../../../../src/client/encryption/primitives.ts';
import { bytesOf, DAY, NOW, randomOf } from './users.ts';

const random = randomOf('prekeys');
const identity = createIdentity(random);
const MINUTE = 60_000;
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

function publish(keys: PreKeys, now = NOW): PreKeys {
  const prepared = prepareUpload(keys, identity, random, now);
  return markPublished(prepared.keys, prepared.upload);
}
const published = publish(NO_PREKEYS);

test('the first upload has a signed prekey and a hundred one-time keys, numbered from 1', () => {
  const { bundle, keys } = prepareUpload(NO_PREKEYS, identity, random, NOW);
  expect(bundle.signedPreKey.keyId).toBe(1);
  expect(bundle.oneTimePreKeys.map(({ keyId }) => keyId)).toEqual(Array.from({ length: 100 }, (_, at) => at + 1));
  expect(new Set(bundle.oneTimePreKeys.map(({ publicKey }) => publicKey)).size).toBe(100);
  // The private halves are there before anything leaves.
  expect(keys.oneTime.map(({ publicKey }) => base64(publicKey))).toEqual(
    bundle.oneTimePreKeys.map(({ publicKey }) => publicKey),
  );
});

test('an upload whose answer never came is not repeated: its keys may have been handed out', () => {
  const first = prepareUpload(NO_PREKEYS, identity, random, NOW);
  const second = prepareUpload(first.keys, identity, random, NOW + MINUTE);
  const ids = [first, second].flatMap(({ bundle }) => bundle.oneTimePreKeys.map(({ keyId }) => keyId));
  expect(new Set(ids).size).toBe(200);
  // A signed prekey is not for one time only.
  expect(second.bundle.signedPreKey).toEqual(first.bundle.signedPreKey);
  const late = markPublished(markPublished(second.keys, second.upload), first.upload);
  expect(late.publishedFrom).toBe(101);
});

const useUp = (keys: PreKeys, count: number): PreKeys =>
  Array.from({ length: count }, (_, at) => keys.publishedFrom + at).reduce(consumeOneTime, keys);

test.each<[title: string, keys: PreKeys, now: number, due: number | undefined]>([
  ['nothing was published', NO_PREKEYS, NOW, 0],
  ['the first upload has just been tried', prepareUpload(NO_PREKEYS, identity, random, NOW).keys, NOW, MINUTE],
  ['it was tried half a minute ago', prepareUpload(NO_PREKEYS, identity, random, NOW).keys, NOW + 30_000, 30_000],
  [
    'it was tried, and the clock was set back',
    prepareUpload(NO_PREKEYS, identity, random, NOW).keys,
    NOW - DAY,
    MINUTE,
  ],
  ['everything is published', published, NOW + DAY, undefined],
  ['the server has none left', markDepleted(published), NOW + DAY, 0],
  ['the server has none left, right after an upload', markDepleted(published), NOW + 1, MINUTE - 1],
  ['74 of a batch were used', useUp(published, 74), NOW + DAY, undefined],
  ['75 of a batch were used', useUp(published, 75), NOW + DAY, 0],
  ['the signed prekey is nearly 7 days old', published, NOW + 7 * DAY - 1, undefined],
  ['the signed prekey is 7 days old', published, NOW + 7 * DAY, 0],
])('when %s, an upload is due as it should', (_title, keys, now, due) => {
  expect(uploadDue(keys, now)).toBe(due);
});

test('the signed prekey is replaced after 7 days, and its private half kept for 30 more', () => {
  expect(rotationAt(published)).toBe(NOW + 7 * DAY);
  expect(publish(published, NOW + 7 * DAY - 1).signed).toHaveLength(1);
  const rotated = publish(published, NOW + 7 * DAY);
  expect(rotated.signed.map(({ id }) => id)).toEqual([1, 2]);
  expect(rotated.publishedSigned).toBe(2);
  expect(expirePreKeys(rotated, NOW + 37 * DAY - 1).signed.map(({ id }) => id)).toEqual([1, 2]);
  expect(expirePreKeys(rotated, NOW + 37 * DAY).signed.map(({ id }) => id)).toEqual([2]);
});

test('a signed prekey that the server still hands out is kept, however old', () => {
  const pending = prepareUpload(published, identity, random, NOW + 8 * DAY).keys;
  expect(expirePreKeys(pending, NOW + 100 * DAY).signed.map(({ id }) => id)).toEqual([1, 2]);
});

test('one-time keys that were replaced are kept for a while, those of the server for as long as it has them', () => {
  const replaced = publish(published, NOW + DAY);
  expect(replaced.oneTime).toHaveLength(200);
  expect(expirePreKeys(replaced, NOW + 30 * DAY).oneTime.map(({ id }) => id)[0]).toBe(101);
  expect(expirePreKeys(replaced, NOW + 300 * DAY).oneTime).toHaveLength(100);
});

test('uploads without end keep a thousand private halves', () => {
  let keys = NO_PREKEYS;
  for (let at = 0; at < 12; at += 1) keys = prepareUpload(keys, identity, random, NOW + at * MINUTE).keys;
  expect(keys.oneTime).toHaveLength(1_000);
  expect(keys.nextOneTimeId).toBe(1_201);
});

test('ids end at 2³¹ − 1 and never start over', () => {
  const last = { ...NO_PREKEYS, nextOneTimeId: 2 ** 31 - 101 };
  expect(prepareUpload(last, identity, random, NOW).bundle.oneTimePreKeys.at(-1)?.keyId).toBe(2 ** 31 - 2);
  expect(() => prepareUpload({ ...last, nextOneTimeId: 2 ** 31 - 100 }, identity, random, NOW)).toThrow(RangeError);
  for (const fill of [0, 255]) {
    const { nextSignedId, nextOneTimeId } = importedPreKeys((length) => bytesOf(fill, length));
    expect(nextSignedId).toBe(nextOneTimeId);
    expect(nextOneTimeId).toBeGreaterThanOrEqual(2 ** 29);
    expect(nextOneTimeId).toBeLessThan(2 ** 31 - 2 ** 28);
  }
});

test('prekeys come back from storage as they were, and anything else not at all', () => {
  for (const keys of [NO_PREKEYS, published, markDepleted(published)]) {
    const bytes = encodePreKeys(keys);
    expect(decodePreKeys(bytes)).toEqual(keys);
    expect(decodePreKeys(bytes.slice(1))).toBeUndefined();
    expect(decodePreKeys(bytes.slice(0, -1))).toBeUndefined();
    expect(decodePreKeys(new Uint8Array([...bytes, 0]))).toBeUndefined();
  }
});

const { bundle } = prepareUpload(NO_PREKEYS, identity, random, NOW);
const [oneTimePreKey] = bundle.oneTimePreKeys;
const response = {
  recipientId: 'bob',
  identityKey: bundle.identityKey,
  signedPreKey: bundle.signedPreKey,
  signedPreKeySignature: bundle.signedPreKeySignature,
  oneTimePreKey,
};
const other = createIdentity(randomOf('other'));

test('a bundle that was handed out is read, with and without a one-time key', () => {
  expect(readBundle('bob', response)).toMatchObject({ ok: true, bundle: { userId: 'bob', oneTimePreKey: { id: 1 } } });
  expect(readBundle('bob', { ...response, oneTimePreKey: undefined })).toMatchObject({ ok: true });
});

test.each<[title: string, change: Partial<typeof response>, reason: string]>([
  ['is somebody else’s', { recipientId: 'carol' }, 'not-ours'],
  ['has no signature', { signedPreKeySignature: '' }, 'bad-key'],
  ['has another signature', { signedPreKeySignature: base64(bytesOf(1, 64)) }, 'bad-key'],
  [
    'is signed by another',
    {
      signedPreKeySignature: base64(sign(Buffer.from(bundle.signedPreKey.publicKey, 'base64'), other.secretKey)),
    },
    'bad-key',
  ],
  ['has another identity', { identityKey: base64(other.publicKey) }, 'bad-key'],
  ['has an identity of small order', { identityKey: base64(new Uint8Array(32)) }, 'bad-key'],
  ['has another signed prekey', { signedPreKey: { keyId: 1, publicKey: oneTimePreKey?.publicKey ?? '' } }, 'bad-key'],
  ['has half a signed prekey', { signedPreKey: { keyId: 1, publicKey: 'AAAA' } }, 'malformed'],
  ['numbers its signed prekey 0', { signedPreKey: { ...bundle.signedPreKey, keyId: 0 } }, 'malformed'],
  ['has loose base64', { signedPreKeySignature: `${response.signedPreKeySignature}\n` }, 'malformed'],
  ['has a one-time key that is none', { oneTimePreKey: { keyId: 1, publicKey: '' } }, 'malformed'],
  ['numbers its one-time key 2³¹', { oneTimePreKey: { keyId: 2 ** 31, publicKey: base64(bytesOf(9)) } }, 'malformed'],
])('a bundle is refused that %s', (_title, change, reason) => {
  expect(readBundle('bob', { ...response, ...change })).toEqual({ ok: false, reason });
});
