import { x25519 } from '@noble/curves/ed25519.js';
import { expect, test } from 'vitest';
import { isLowOrderX25519 } from '../../../../../src/server/services/e2ee/x25519.ts';

const P = 2n ** 255n - 19n;
const ORDER_8 = '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157';
const ORDER_8_OTHER = 'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800';

function encoded(number: bigint): Buffer {
  return Buffer.from(number.toString(16).padStart(64, '0'), 'hex').reverse();
}

test.each([
  ['zero', encoded(0n)],
  ['one', encoded(1n)],
  ['minus one', encoded(P - 1n)],
  ['a non-canonical zero', encoded(P)],
  ['a non-canonical one', encoded(P + 1n)],
  ['a point of order 8', Buffer.from(ORDER_8, 'hex')],
  ['the other point of order 8', Buffer.from(ORDER_8_OTHER, 'hex')],
  ['zero with the ignored bit set', encoded(2n ** 255n)],
  ['one with the ignored bit set', encoded(2n ** 255n + 1n)],
])('%s has low order: every shared secret is zero', (_, key) => {
  expect(isLowOrderX25519(key)).toBe(true);
  expect(() => x25519.getSharedSecret(Buffer.alloc(32, 7), key)).toThrow(/invalid/);
});

test('the base point and a generated key do not have low order', () => {
  expect(isLowOrderX25519(encoded(9n))).toBe(false);
  expect(isLowOrderX25519(x25519.getPublicKey(Buffer.alloc(32, 7)))).toBe(false);
});
