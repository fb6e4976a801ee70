import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { SafetyNumber } from '../../../../../src/client/encryption/nkc1/safety-number.ts';
import type { PublicIdentity } from '../../../../../src/client/encryption/nkc1/x3dh.ts';
import { bytesOf, fromHex } from './parties.ts';

/** The test vector of libsignal's NumericFingerprintGeneratorTest, 5,200 iterations. */
const ALICE: PublicIdentity = {
  userId: '+14152222222',
  identityKey: fromHex('06863bc66d02b40d27b8d49ca7c09e9239236f9d7d25d6fcca5ce13c7064d868'),
};
const BOB: PublicIdentity = {
  userId: '+14153333333',
  identityKey: fromHex('f781b6fb32fed9ba1cf2de978d4d5da28dc34046ae814402b5c0dbd96fda907b'),
};

test('the number equals libsignal’s test vector for both users', () => {
  const number = '300354477692869396892869876765458257569162576843440918079131';
  expect(new SafetyNumber(ALICE, BOB).digits).toBe(number);
  expect(new SafetyNumber(BOB, ALICE).digits).toBe(number);
});

/** An independent implementation from libsignal's description. */
function digitsOf({ userId, identityKey }: PublicIdentity): string {
  const sha512 = (...parts: readonly Uint8Array[]): Buffer =>
    createHash('sha512').update(Buffer.concat(parts)).digest();
  const key = Buffer.concat([Buffer.from([5]), identityKey]);
  let hash = sha512(Buffer.from([0, 0]), key, Buffer.from(userId), key);
  for (let done = 0; done < 5_199; done += 1) hash = sha512(hash, key);
  const numbers = [0, 5, 10, 15, 20, 25].map((at) => hash.readUIntBE(at, 5) % 100_000);
  return numbers.map((number) => `${number}`.padStart(5, '0')).join('');
}

test.each([
  ['ann', 'bea'],
  ['zoë', '用户'],
  ['a', 'a b'],
])('%s and %s see the 60 digits of an independent implementation', (one, other) => {
  const [local, remote] = [
    { userId: one, identityKey: bytesOf(7) },
    { userId: other, identityKey: bytesOf(8) },
  ];
  const [a, b] = [digitsOf(local), digitsOf(remote)];
  const { digits } = new SafetyNumber(local, remote);
  expect(digits).toBe(a < b ? a + b : b + a);
  expect(digits).toMatch(/^\d{60}$/);
});

test('a QR payload matches crosswise and in no other case', () => {
  const shown = new SafetyNumber(ALICE, BOB).qrPayload;
  const matches = (scanned: string, local: PublicIdentity, remote: PublicIdentity): boolean =>
    new SafetyNumber(local, remote).matchesQr(scanned);
  expect(shown).toMatch(/^NKC1:[\w-]{87}$/);
  expect(matches(shown, BOB, ALICE)).toBe(true);
  // The same user's screen, another local or remote identity, and malformed payloads.
  expect(matches(shown, ALICE, BOB)).toBe(false);
  expect(matches(shown, { ...BOB, identityKey: bytesOf(7) }, ALICE)).toBe(false);
  expect(matches(shown, { ...BOB, userId: 'bob' }, ALICE)).toBe(false);
  expect(matches(shown, BOB, { ...ALICE, identityKey: bytesOf(7) })).toBe(false);
  for (const wrong of ['', 'NKC1:', shown.slice(0, -1), `${shown}A`, shown.replace('NKC1', 'NKC2'), shown.slice(5)])
    expect(matches(wrong, BOB, ALICE)).toBe(false);
});
