import { createPublicKey, verify } from 'node:crypto';

/** Prime of the field, 2²⁵⁵ − 19. */
export const ED25519_P = 2n ** 255n - 19n;

const P = ED25519_P;
/** Order of the prime-order subgroup (RFC 8032, section 5.1). */
const L = 2n ** 252n + 27_742_317_777_372_353_535_851_937_790_883_648_493n;
/** Curve constant d = −121665/121666. */
const D = mod(-121_665n * power(121_666n, P - 2n));
/** A square root of −1. */
const SQRT_MINUS_1 = power(2n, (P - 1n) / 4n);

/** DER prefix of a SubjectPublicKeyInfo for Ed25519, followed by the 32 bytes of the key (RFC 8410, section 4). */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

/** A point in extended homogeneous coordinates: x = X/Z, y = Y/Z, xy = T/Z. */
type Point = readonly [X: bigint, Y: bigint, Z: bigint, T: bigint];

const IDENTITY: Point = [0n, 1n, 1n, 0n];

/**
 * Returns whether 32 bytes are acceptable as an identity key: the canonical encoding of a point of prime order. With a
 * small-order key, signatures verify for any message. A mixed-order key is a second encoding of another key.
 */
export function isIdentityKey(bytes: Uint8Array): boolean {
  const point = bytes.length === 32 ? decodePoint(bytes) : undefined;
  // L is prime, so a point with L·A = O is of order L, unless it is the identity itself.
  return point !== undefined && !isIdentity(point) && isIdentity(multiply(point, L));
}

/**
 * Verifies an Ed25519 signature (RFC 8032). The key must have passed {@link isIdentityKey}. Rejects an R that is not
 * canonical or of small order, independent of the version of OpenSSL, and an S that is not reduced, as OpenSSL does.
 */
export function verifyEd25519(identityKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== 64) return false;
  const r = decodePoint(signature.subarray(0, 32));
  if (r === undefined || isIdentity(multiply(r, 8n))) return false;
  try {
    const key = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, identityKey]), format: 'der', type: 'spki' });
    return verify(null, message, key, signature);
  } catch {
    return false;
  }
}

/** Reads bytes as a little-endian number. */
export function littleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);
}

/** Decodes a point (RFC 8032, section 5.1.3). Returns `undefined` for non-canonical encodings. */
function decodePoint(bytes: Uint8Array): Point | undefined {
  const number = littleEndian(bytes);
  const sign = number >> 255n;
  const y = number & (2n ** 255n - 1n);
  if (y >= P) return undefined;
  const u = mod(y * y - 1n);
  const v = mod(D * y * y + 1n);
  // The candidate root of u/v, which needs a factor if it is the root of −u/v.
  let x = mod(u * power(v, 3n) * power(u * power(v, 7n), (P - 5n) / 8n));
  const square = mod(v * x * x);
  if (square === mod(-u)) x = mod(x * SQRT_MINUS_1);
  else if (square !== u) return undefined;
  if (x === 0n && sign === 1n) return undefined;
  if ((x & 1n) !== sign) x = P - x;
  return [x, y, 1n, mod(x * y)];
}

function isIdentity([x, y, z]: Point): boolean {
  return x === 0n && y === z;
}

/** Double and add. The inputs are public, so the time may depend on them. */
function multiply(point: Point, scalar: bigint): Point {
  let result = IDENTITY;
  for (const bit of scalar.toString(2)) {
    result = add(result, result);
    if (bit === '1') result = add(result, point);
  }
  return result;
}

/** Complete addition, also for equal points (RFC 8032, section 5.1.4). */
function add([x1, y1, z1, t1]: Point, [x2, y2, z2, t2]: Point): Point {
  const a = mod((y1 - x1) * (y2 - x2));
  const b = mod((y1 + x1) * (y2 + x2));
  const c = mod(2n * D * t1 * t2);
  const d = mod(2n * z1 * z2);
  const [e, f, g, h] = [b - a, d - c, d + c, b + a];
  return [mod(e * f), mod(g * h), mod(f * g), mod(e * h)];
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  for (const bit of exponent.toString(2)) {
    result = mod(result * result);
    if (bit === '1') result = mod(result * base);
  }
  return result;
}

/** The remainder from 0 to P − 1. */
function mod(number: bigint): bigint {
  const remainder = number % P;
  return remainder < 0n ? remainder + P : remainder;
}
