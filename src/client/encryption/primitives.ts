/**
 * The one place that knows the libraries. What touches a secret is done by tweetnacl, which has no BigInt; what is public
 * is checked by @noble/ed25519, which is strict; @noble/hashes and @noble/ciphers have what tweetnacl lacks.
 */
import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import { etc, hashes, Point, verify as verifyEd25519 } from '@noble/ed25519';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js';
import nacl from 'tweetnacl';
import { concat, isZero } from '../../lib/bytes.ts';

/** That many random bytes. */
export type Random = (length: number) => Uint8Array;

export interface KeyPair {
  readonly publicKey: Uint8Array;
  readonly privateKey: Uint8Array;
}

/** Keys of others that are kept checked and converted; past it the oldest go. */
const CACHED_KEYS = 1_000;
/** The field of Curve25519: 2²⁵⁵ − 19. */
const P = 2n ** 255n - 19n;
// Verifying hashes what was signed, which is public.
hashes.sha512 = (message) => Uint8Array.from(nacl.hash(message));
const converted = new Map<string, Uint8Array | undefined>();

/** From the platform's generator. */
export const secureRandom: Random = (length) => nacl.randomBytes(length);

/** An X25519 pair of 32 random bytes (RFC 7748). */
export function dhKeyPair(privateKey: Uint8Array): KeyPair {
  return { privateKey, publicKey: nacl.scalarMult.base(privateKey) };
}

/** X25519 (RFC 7748); `undefined` when the result is zero, as points of small order make it. */
export function dh(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined {
  const shared = nacl.scalarMult(privateKey, publicKey);
  return isZero(shared) ? undefined : shared;
}

/** The Ed25519 key of a seed (RFC 8032), and its X25519 form. */
export function signingKeyPair(seed: Uint8Array): {
  publicKey: Uint8Array;
  secretKey: Uint8Array;
  dhPrivateKey: Uint8Array;
} {
  const { publicKey, secretKey } = nacl.sign.keyPair.fromSeed(seed);
  const dhPrivateKey = nacl.hash(seed).slice(0, 32);
  dhPrivateKey[0] = (dhPrivateKey[0] ?? 0) & 248;
  dhPrivateKey[31] = ((dhPrivateKey[31] ?? 0) & 127) | 64;
  return { publicKey, secretKey, dhPrivateKey };
}

/** Ed25519 by the 64 bytes of seed and public key. */
export function sign(message: Uint8Array, secretKey: Uint8Array): Uint8Array {
  return nacl.sign.detached(message, secretKey);
}

/** Strict Ed25519: canonical encodings, S < L, no key of small or mixed order. */
export function verify(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean {
  if (signature.length !== 64 || identityToDh(publicKey) === undefined) return false;
  return verifyEd25519(signature, message, publicKey, { zip215: false });
}

/**
 * The X25519 form of an Ed25519 public key: u = (1 + y) / (1 − y). `undefined` for what must not be anybody's identity: no
 * point, not canonical, of small or of mixed order.
 */
export function identityToDh(publicKey: Uint8Array): Uint8Array | undefined {
  if (publicKey.length !== 32) return undefined;
  const name = publicKey.join();
  if (converted.has(name)) return converted.get(name);
  const form = convert(publicKey);
  if (converted.size >= CACHED_KEYS)
    for (const oldest of converted.keys()) {
      converted.delete(oldest);
      break;
    }
  converted.set(name, form);
  return form;
}

function convert(publicKey: Uint8Array): Uint8Array | undefined {
  try {
    const point = Point.fromBytes(publicKey, false);
    if (point.isSmallOrder() || !point.isTorsionFree()) return undefined;
    // y is 1 at the point of order 1 alone.
    const { y } = point.toAffine();
    return littleEndian(etc.mod((1n + y) * etc.invert(etc.mod(1n - y, P), P), P));
  } catch {
    return undefined;
  }
}

function littleEndian(value: bigint): Uint8Array {
  const bytes = new Uint8Array(32);
  let rest = value;
  for (let at = 0; at < bytes.length; at += 1) {
    bytes[at] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return bytes;
}

export function sha256(bytes: Uint8Array): Uint8Array {
  return nobleSha256(bytes);
}

/** SHA-256 of what comes in parts. */
export function sha256Stream(): { update(bytes: Uint8Array): void; digest(): Uint8Array } {
  const hash = nobleSha256.create();
  return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest() };
}

export function sha512(bytes: Uint8Array): Uint8Array {
  return nacl.hash(bytes);
}

export function hmacSha256(key: Uint8Array, message: Uint8Array): Uint8Array {
  return hmac(nobleSha256, key, message);
}

/** HKDF-SHA256 (RFC 5869). */
export function hkdf(ikm: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  const key = hmacSha256(salt, ikm);
  const blocks: Uint8Array[] = [];
  for (let n = 1; (n - 1) * 32 < length; n += 1) {
    blocks.push(hmacSha256(key, concat(blocks.at(-1) ?? new Uint8Array(), info, Uint8Array.of(n))));
  }
  return concat(...blocks).slice(0, length);
}

/** ChaCha20-Poly1305 (RFC 8439), the tag at the end. */
export function seal(key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array, ad: Uint8Array): Uint8Array {
  return chacha20poly1305(key, nonce, ad).encrypt(plaintext);
}

/** `undefined` when the tag is wrong. */
export function open(
  key: Uint8Array,
  nonce: Uint8Array,
  ciphertext: Uint8Array,
  ad: Uint8Array,
): Uint8Array | undefined {
  try {
    return chacha20poly1305(key, nonce, ad).decrypt(ciphertext);
  } catch {
    return undefined;
  }
}

/** XSalsa20-Poly1305, as NaCl's secretbox. */
export function secretbox(plaintext: Uint8Array, nonce: Uint8Array, key: Uint8Array): Uint8Array {
  return nacl.secretbox(plaintext, nonce, key);
}

/** `undefined` when the tag is wrong. */
export function openSecretbox(box: Uint8Array, nonce: Uint8Array, key: Uint8Array): Uint8Array | undefined {
  return nacl.secretbox.open(box, nonce, key) ?? undefined;
}

/** scrypt (RFC 7914) that lets others run in between. Needs 128 · 2^log2N · r bytes of memory. */
export async function scrypt(
  password: Uint8Array,
  salt: Uint8Array,
  { log2N, r, p }: { log2N: number; r: number; p: number },
): Promise<Uint8Array> {
  // Only backups and passphrases need it.
  const { scryptAsync } = await import('@noble/hashes/scrypt.js');
  return scryptAsync(password, salt, { N: 2 ** log2N, r, p, dkLen: 32, asyncTick: 10 });
}
