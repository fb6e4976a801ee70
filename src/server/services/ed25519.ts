import { ed25519 } from '@noble/curves/ed25519.js';
import { createPublicKey, verify } from 'node:crypto';

/** The field's prime, 2²⁵⁵ − 19. */
export const ED25519_P = 2n ** 255n - 19n;

/** Of a DER SubjectPublicKeyInfo for Ed25519 everything before the 32 bytes of the key (RFC 8410, section 4). */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

/**
 * Whether 32 bytes may be somebody's identity key: a point in its canonical encoding, of the group of prime order. One
 * of small order makes signatures that fit any message; one with a part of small order is a second name of another key.
 */
export function isIdentityKey(bytes: Uint8Array): boolean {
  if (bytes.length !== 32) return false;
  try {
    const point = ed25519.Point.fromBytes(bytes);
    return !point.isSmallOrder() && point.isTorsionFree();
  } catch {
    return false;
  }
}

/**
 * Ed25519 over the message as it is (RFC 8032), by a key that {@link isIdentityKey} has let through. OpenSSL refuses
 * signatures whose S isn't reduced.
 */
export function verifyEd25519(identityKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== 64) return false;
  try {
    const key = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, identityKey]), format: 'der', type: 'spki' });
    return verify(null, message, key, signature);
  } catch {
    return false;
  }
}

export function littleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);
}
