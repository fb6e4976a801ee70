import { ed25519 } from '@noble/curves/ed25519.js';
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { isIdentityKey, verifyEd25519 } from '../../../../../src/server/services/e2ee/ed25519.ts';
import { fc } from '../../../../helpers/property.ts';
import { newIdentity } from '../../../../helpers/server/keys.ts';

// @noble/curves is the reference that the server's own arithmetic is compared with.
const { Point } = ed25519;
const P = 2n ** 255n - 19n;
/** Order of the prime-order subgroup, RFC 8032 section 5.1. */
const L = 2n ** 252n + 27742317777372353535851937790883648493n;

function encoded(number: bigint): Buffer {
  return Buffer.from(number.toString(16).padStart(64, '0'), 'hex').reverse();
}
const decoded = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);
const SIGN_BIT = 2n ** 255n;
const TORSION = Point.fromBytes(Buffer.from('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05', 'hex'));
const ORDER_8 = decoded(TORSION.toBytes());
/** A key of prime order plus a point of small order: signatures hold under both encodings for some messages. */
function mixed(torsion: bigint): bigint {
  const key = Point.fromBytes(newIdentity().identityKey);
  return decoded(key.add(Point.fromBytes(encoded(torsion))).toBytes());
}

describe('isIdentityKey', () => {
  test.each([
    ['the identity', 1n],
    ['the point of order 2', P - 1n],
    ['a point of order 4', 0n],
    ['the other point of order 4', SIGN_BIT],
    ['a point of order 8', ORDER_8],
    ['its negative', ORDER_8 + SIGN_BIT],
    ['the third point of order 8', P - ORDER_8],
    ['the fourth point of order 8', P - ORDER_8 + SIGN_BIT],
    ['the identity with the sign bit set', 1n + SIGN_BIT],
    ['the point of order 2 with the sign bit set', P - 1n + SIGN_BIT],
    ['a non-canonical encoding of the identity', P + 1n],
    ['a non-canonical encoding of the identity with the sign bit set', P + 1n + SIGN_BIT],
    ['a non-canonical encoding of a point of order 4', P],
    ['a non-canonical encoding of a point of order 4 with the sign bit set', P + SIGN_BIT],
    ['the largest y', 2n ** 255n - 1n],
    ['all ones', 2n ** 256n - 1n],
    ['a y without a point', 2n],
    ['a mixed-order key with a component of order 8', mixed(ORDER_8)],
    ['a mixed-order key with a component of order 4', mixed(0n)],
    ['a mixed-order key with a component of order 2', mixed(P - 1n)],
  ])('rejects %s', (_, number) => {
    expect(isIdentityKey(encoded(number))).toBe(false);
  });

  test.each(Array.from({ length: 19 }, (_, index) => index))('rejects the non-canonical y = P + %i', (offset) => {
    expect(isIdentityKey(encoded(P + BigInt(offset)))).toBe(false);
    expect(isIdentityKey(encoded(P + BigInt(offset) + SIGN_BIT))).toBe(false);
  });

  test('requires 32 bytes', () => {
    expect(isIdentityKey(new Uint8Array(31))).toBe(false);
    expect(isIdentityKey(Buffer.concat([newIdentity().identityKey, Buffer.alloc(1)]))).toBe(false);
    expect(isIdentityKey(newIdentity().identityKey)).toBe(true);
  });

  test('accepts every multiple of the base point and rejects its sum with a point of small order', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 1n, max: L - 1n }), fc.integer({ min: 1, max: 7 }), (scalar, torsion) => {
        const point = Point.BASE.multiply(scalar);
        expect(isIdentityKey(point.toBytes())).toBe(true);
        expect(isIdentityKey(point.add(TORSION.multiplyUnsafe(BigInt(torsion))).toBytes())).toBe(false);
      }),
      { numRuns: 50 },
    );
  });

  test('agrees with the reference for arbitrary bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (bytes) => {
        expect(isIdentityKey(bytes)).toBe(acceptedByReference(bytes));
      }),
      { numRuns: 200 },
    );
  });
});

describe('verifyEd25519', () => {
  const identity = newIdentity();
  const message = Buffer.alloc(32, 1);
  const signature = identity.sign(message);

  test('accepts a signature only for its message and key', () => {
    expect(verifyEd25519(identity.identityKey, message, signature)).toBe(true);
    expect(verifyEd25519(identity.identityKey, Buffer.alloc(32, 2), signature)).toBe(false);
    expect(verifyEd25519(newIdentity().identityKey, message, signature)).toBe(false);
  });

  test('accepts the first test vector of RFC 8032', () => {
    const key = Buffer.from('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a', 'hex');
    const vector =
      'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b';
    expect(isIdentityKey(key)).toBe(true);
    expect(verifyEd25519(key, Buffer.alloc(0), Buffer.from(vector, 'hex'))).toBe(true);
  });

  test.each([1n, 2n, 8n])('rejects a non-canonical S = S + %i · L', (times) => {
    const malleable = decoded(signature.subarray(32)) + times * L;
    expect(verifyEd25519(identity.identityKey, message, withS(malleable))).toBe(false);
  });

  test.each([253n, 254n, 255n])('rejects an S with bit %i set', (bit) => {
    expect(verifyEd25519(identity.identityKey, message, withS(decoded(signature.subarray(32)) + 2n ** bit))).toBe(
      false,
    );
  });

  test.each([
    ['a small-order R', encoded(1n)],
    ['a non-canonical R', encoded(P + 1n)],
    ['a small-order R with a redundant sign bit', encoded(1n + SIGN_BIT)],
    ['an R of order 8', TORSION.toBytes()],
  ])('rejects %s, for which the cofactored equation holds', (_, r) => {
    // R has no component of prime order, so S = h · a holds.
    const { key, scalar } = keyPair(42n);
    const forged = Buffer.concat([r, encoded((challenge(r, key, message) * scalar) % L)]);
    expect(ed25519.verify(forged, message, key, { zip215: true })).toBe(true);
    expect(verifyEd25519(key, message, forged)).toBe(false);
  });

  test('rejects a mixed-order R, for which only the cofactored equation holds', () => {
    const { key, scalar } = keyPair(42n);
    const nonce = 7n;
    const sign = (r: Uint8Array): Buffer =>
      Buffer.concat([r, encoded((nonce + challenge(r, key, message) * scalar) % L)]);
    const r = Point.BASE.multiply(nonce);
    expect(verifyEd25519(key, message, sign(r.toBytes()))).toBe(true);
    const mixedR = sign(r.add(TORSION).toBytes());
    expect(ed25519.verify(mixedR, message, key, { zip215: true })).toBe(true);
    expect(verifyEd25519(key, message, mixedR)).toBe(false);
  });

  test('a small-order key, under which one signature verifies for any message, is rejected by isIdentityKey', () => {
    const key = encoded(1n);
    const forged = Buffer.concat([Point.BASE.multiply(7n).toBytes(), encoded(7n)]);
    expect(ed25519.verify(forged, message, key, { zip215: true })).toBe(true);
    expect(ed25519.verify(forged, Buffer.alloc(32, 2), key, { zip215: true })).toBe(true);
    expect(isIdentityKey(key)).toBe(false);
  });

  test('a mixed-order key, under which signatures verify, is rejected by isIdentityKey', () => {
    const { key, scalar } = keyPair(42n);
    const mixedKey = Point.fromBytes(key).add(TORSION).toBytes();
    const nonces = Array.from({ length: 64 }, (_, index) => BigInt(index + 1));
    const verified = nonces.some((nonce) => {
      const r = Point.BASE.multiply(nonce).toBytes();
      const s = (nonce + challenge(r, mixedKey, message) * scalar) % L;
      return verifyEd25519(mixedKey, message, Buffer.concat([r, encoded(s)]));
    });
    expect(verified).toBe(true);
    expect(isIdentityKey(mixedKey)).toBe(false);
  });

  test('rejects a signature of another length', () => {
    expect(verifyEd25519(identity.identityKey, message, signature.subarray(0, 63))).toBe(false);
  });

  test('rejects every signature under bytes that are not a point', () => {
    // No point of the curve has y = 2.
    expect(verifyEd25519(encoded(2n), message, signature)).toBe(false);
  });

  function withS(s: bigint): Buffer {
    return Buffer.concat([signature.subarray(0, 32), encoded(s)]);
  }
});

function acceptedByReference(bytes: Uint8Array): boolean {
  try {
    const point = Point.fromBytes(bytes);
    return !point.isSmallOrder() && point.isTorsionFree();
  } catch {
    return false;
  }
}

/** A key pair of a known scalar; signing with it needs no seed. */
function keyPair(scalar: bigint): { key: Uint8Array; scalar: bigint } {
  return { key: Point.BASE.multiply(scalar).toBytes(), scalar };
}

function challenge(r: Uint8Array, key: Uint8Array, message: Uint8Array): bigint {
  return decoded(createHash('sha512').update(r).update(key).update(message).digest()) % L;
}
