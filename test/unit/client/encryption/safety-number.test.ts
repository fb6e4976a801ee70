import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { matchesQr, type Party, qrPayload, safetyNumber } from '../../../../src/client/encryption/safety-number.ts';
import { bytesOf, fromHex } from './users.ts';

/** libsignal's own vector: NumericFingerprintGeneratorTest, 5,200 iterations. */
const ALICE: Party = {
  userId: '+14152222222',
  identityKey: fromHex('06863bc66d02b40d27b8d49ca7c09e9239236f9d7d25d6fcca5ce13c7064d868'),
};
const BOB: Party = {
  userId: '+14153333333',
  identityKey: fromHex('f781b6fb32fed9ba1cf2de978d4d5da28dc34046ae814402b5c0dbd96fda907b'),
};

test('the number is that of libsignal’s published vector, whoever asks', () => {
  const number = '300354477692869396892869876765458257569162576843440918079131';
  expect(safetyNumber(ALICE, BOB)).toBe(number);
  expect(safetyNumber(BOB, ALICE)).toBe(number);
});

/** The same once more, from its description. */
function half({ userId, identityKey }: Party): string {
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
])('%s and %s see 60 digits as they follow from the description', (one, other) => {
  const [local, remote] = [
    { userId: one, identityKey: bytesOf(7) },
    { userId: other, identityKey: bytesOf(8) },
  ];
  const [a, b] = [half(local), half(remote)];
  expect(safetyNumber(local, remote)).toBe(a < b ? a + b : b + a);
  expect(safetyNumber(local, remote)).toMatch(/^\d{60}$/);
});

test('what is scanned fits crosswise, and nothing else does', () => {
  const shown = qrPayload(ALICE, BOB);
  expect(shown).toMatch(/^NKC1:[\w-]{87}$/);
  expect(matchesQr(shown, BOB, ALICE)).toBe(true);
  // Our own screen, another version of us, of the other, or of the code.
  expect(matchesQr(shown, ALICE, BOB)).toBe(false);
  expect(matchesQr(shown, { ...BOB, identityKey: bytesOf(7) }, ALICE)).toBe(false);
  expect(matchesQr(shown, { ...BOB, userId: 'bob' }, ALICE)).toBe(false);
  expect(matchesQr(shown, BOB, { ...ALICE, identityKey: bytesOf(7) })).toBe(false);
  for (const wrong of ['', 'NKC1:', shown.slice(0, -1), `${shown}A`, shown.replace('NKC1', 'NKC2'), shown.slice(5)])
    expect(matchesQr(wrong, BOB, ALICE)).toBe(false);
});
