import { ed25519 } from '@noble/curves/ed25519.js';
import { describe, expect, test } from 'vitest';
import { isIdentityKey, verifyEd25519 } from '../../../src/server/services/ed25519.ts';
import { newIdentity } from '../../helpers/server/keys.ts';

const P = 2n ** 255n - 19n;
/** The order of the group, RFC 8032 section 5.1. */
const L = 2n ** 252n + 27742317777372353535851937790883648493n;

function encoded(number: bigint): Buffer {
  return Buffer.from(number.toString(16).padStart(64, '0'), 'hex').reverse();
}
const decoded = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);
const SIGN_BIT = 2n ** 255n;
/** An honest key and a point of small order, added: a second name under which signatures hold as well. */
function mixed(torsion: Uint8Array): bigint {
  const { Point } = ed25519;
  return decoded(Point.fromBytes(newIdentity().identityKey).add(Point.fromBytes(torsion)).toBytes());
}
const ORDER_8 = decoded(Buffer.from('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05', 'hex'));

describe('what may be an identity key', () => {
  test.each([
    ['the identity', 1n],
    ['the point of order 2', P - 1n],
    ['a point of order 4', 0n],
    ['the other point of order 4', SIGN_BIT],
    ['a point of order 8', ORDER_8],
    ['its negative', ORDER_8 + SIGN_BIT],
    ['the third of order 8', P - ORDER_8],
    ['the fourth of order 8', P - ORDER_8 + SIGN_BIT],
    ['the identity in a second encoding', P + 1n],
    ['zero in a second encoding', P],
    ['all ones', 2n ** 256n - 1n],
    ['what is no point at all', 2n],
    [
      'a key with a part of order 8',
      mixed(Buffer.from('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05', 'hex')),
    ],
    ['a key with a part of order 2', mixed(encoded(P - 1n))],
  ])('not %s', (_, number) => {
    expect(isIdentityKey(encoded(number))).toBe(false);
  });

  test('only 32 bytes', () => {
    expect(isIdentityKey(new Uint8Array(31))).toBe(false);
    expect(isIdentityKey(newIdentity().identityKey)).toBe(true);
  });
});

describe('a signature', () => {
  const identity = newIdentity();
  const message = Buffer.alloc(32, 1);
  const signature = identity.sign(message);

  test('holds for its message and key alone', () => {
    expect(verifyEd25519(identity.identityKey, message, signature)).toBe(true);
    expect(verifyEd25519(identity.identityKey, Buffer.alloc(32, 2), signature)).toBe(false);
    expect(verifyEd25519(newIdentity().identityKey, message, signature)).toBe(false);
  });

  test('does not hold in a second form', () => {
    const malleable = Buffer.concat([signature.subarray(0, 32), encoded(decoded(signature.subarray(32)) + L)]);
    expect(verifyEd25519(identity.identityKey, message, malleable)).toBe(false);
  });

  test('of another length is none', () => {
    expect(verifyEd25519(identity.identityKey, message, signature.subarray(0, 63))).toBe(false);
  });

  test('under bytes that are no point is none', () => {
    // y = 2 is on no point of the curve.
    expect(verifyEd25519(encoded(2n), message, signature)).toBe(false);
  });
});
