import { createPublicKey, verify } from 'node:crypto';

/** The field's prime, 2²⁵⁵ − 19. */
const P = 2n ** 255n - 19n;
/** The y of the points of order 8, up to its sign (RFC 7748, section 7; RFC 8032, section 5.1). */
const ORDER_8_Y = 2707385501144840649318225287225658788936804267575313519463743609750303402022n;
/** Every y of a point of order 1, 2, 4 or 8: such a key makes signatures that fit any message. */
const SMALL_ORDER_Y: ReadonlySet<bigint> = new Set([0n, 1n, P - 1n, ORDER_8_Y, P - ORDER_8_Y]);

/** Of a DER SubjectPublicKeyInfo for Ed25519 everything before the 32 bytes of the key (RFC 8410, section 4). */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

/**
 * Whether 32 bytes may be somebody's identity key: canonically encoded, and of no small order. Whether they are a point
 * at all shows when a signature is verified.
 */
export function isIdentityKey(bytes: Uint8Array): boolean {
  if (bytes.length !== 32) return false;
  const y = BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`) & (2n ** 255n - 1n);
  return y < P && !SMALL_ORDER_Y.has(y);
}

/** Ed25519 over the message as it is (RFC 8032). OpenSSL refuses signatures whose S isn't reduced. */
export function verifyEd25519(identityKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (!isIdentityKey(identityKey) || signature.length !== 64) return false;
  try {
    const key = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, identityKey]), format: 'der', type: 'spki' });
    return verify(null, message, key, signature);
  } catch {
    return false;
  }
}
