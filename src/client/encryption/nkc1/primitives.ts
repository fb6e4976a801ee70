/**
 * Cryptographic primitives of NKC1, and the only module that imports the libraries. tweetnacl does all work with secret keys,
 * because it uses no BigInt. @noble/ed25519 validates and converts public keys and verifies signatures strictly.
 * @noble/hashes and @noble/ciphers provide what tweetnacl lacks.
 */
import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import { etc, hashes, Point, verify } from '@noble/ed25519';
import { hkdf as nobleHkdf } from '@noble/hashes/hkdf.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js';
import nacl from 'tweetnacl';
import { BoundedMap } from '../../../lib/bounded-map.ts';
import { isZero } from '../../../lib/bytes.ts';

/** Returns `length` random bytes. */
export type Random = (length: number) => Uint8Array;

/** An X25519 key pair: 32 bytes each. */
export interface KeyPair {
  readonly publicKey: Uint8Array;
  readonly privateKey: Uint8Array;
}

/** Number of converted public keys that are cached; the oldest is evicted. */
const CACHED_KEYS = 1_000;
/** The prime of Curve25519's field: 2²⁵⁵ − 19. */
const P = 2n ** 255n - 19n;
// Signature verification hashes public data only, so tweetnacl's SHA-512 serves both libraries.
hashes.sha512 = (message) => Uint8Array.from(nacl.hash(message));
const convertedKeys = new BoundedMap<string, Uint8Array | undefined>(CACHED_KEYS);

/** Derives the X25519 key pair (RFC 7748) of a 32-byte private key. */
export function x25519KeyPair(privateKey: Uint8Array): KeyPair {
  return { privateKey, publicKey: nacl.scalarMult.base(privateKey) };
}

/** Computes X25519 (RFC 7748). Returns `undefined` if the result is all zero, which public keys of small order cause. */
export function x25519(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined {
  const shared = nacl.scalarMult(privateKey, publicKey);
  return isZero(shared) ? undefined : shared;
}

/** Derives the Ed25519 key pair (RFC 8032) of a 32-byte seed, and the X25519 private key of the same secret. */
export function ed25519KeyPair(seed: Uint8Array): {
  publicKey: Uint8Array;
  /** Seed followed by the public key: 64 bytes, as {@link ed25519Sign} takes them. */
  secretKey: Uint8Array;
  x25519PrivateKey: Uint8Array;
} {
  const { publicKey, secretKey } = nacl.sign.keyPair.fromSeed(seed);
  const x25519PrivateKey = nacl.hash(seed).slice(0, 32);
  x25519PrivateKey[0] = (x25519PrivateKey[0] ?? 0) & 248;
  x25519PrivateKey[31] = ((x25519PrivateKey[31] ?? 0) & 127) | 64;
  return { publicKey, secretKey, x25519PrivateKey };
}

/** Signs with Ed25519. `secretKey` is the seed followed by the public key (64 bytes). */
export function ed25519Sign(message: Uint8Array, secretKey: Uint8Array): Uint8Array {
  return nacl.sign.detached(message, secretKey);
}

/** Verifies Ed25519 strictly: canonical encodings, S < L, and no public key of small or mixed order. */
export function ed25519Verify(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean {
  if (signature.length !== 64 || ed25519ToX25519(publicKey) === undefined) return false;
  return verify(signature, message, publicKey, { zip215: false });
}

/**
 * Converts an Ed25519 public key to X25519: u = (1 + y) / (1 − y) mod p. Results are cached per key.
 *
 * @returns `undefined` if the key is not a point, not canonically encoded, or of small or mixed order
 */
export function ed25519ToX25519(publicKey: Uint8Array): Uint8Array | undefined {
  if (publicKey.length !== 32) return undefined;
  const cacheKey = publicKey.join();
  if (convertedKeys.has(cacheKey)) return convertedKeys.get(cacheKey);
  const converted = convert(publicKey);
  convertedKeys.set(cacheKey, converted);
  return converted;
}

function convert(publicKey: Uint8Array): Uint8Array | undefined {
  try {
    const point = Point.fromBytes(publicKey, false);
    if (point.isSmallOrder() || !point.isTorsionFree()) return undefined;
    // The division is defined: y = 1 only at the identity, which has small order.
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

/** SHA-256. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return nobleSha256(bytes);
}

/** Incremental SHA-256, which WebCrypto lacks: that of Node if there is one, because it is ten times as fast. */
export function sha256Stream(): { update(bytes: Uint8Array): void; digest(): Uint8Array } {
  const node = typeof process === 'undefined' ? undefined : process.getBuiltinModule?.('node:crypto');
  const hash = node?.createHash('sha256') ?? nobleSha256.create();
  return { update: (bytes) => void hash.update(bytes), digest: () => Uint8Array.from(hash.digest()) };
}

/** SHA-512. */
export function sha512(bytes: Uint8Array): Uint8Array {
  return nacl.hash(bytes);
}

/** HMAC-SHA256 (RFC 2104). */
export function hmacSha256(key: Uint8Array, message: Uint8Array): Uint8Array {
  return hmac(nobleSha256, key, message);
}

/** HKDF-SHA256 (RFC 5869). `length` is in bytes. */
export function hkdf(ikm: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  return nobleHkdf(nobleSha256, ikm, salt, info, length);
}

/** Encrypts with ChaCha20-Poly1305 (RFC 8439) and appends the 16-byte tag. The nonce has 12 bytes. */
export function aeadSeal(key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array, ad: Uint8Array): Uint8Array {
  return chacha20poly1305(key, nonce, ad).encrypt(plaintext);
}

/** Decrypts the output of {@link aeadSeal}. Returns `undefined` if the tag is wrong. */
export function aeadOpen(
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

/** NaCl's secretbox (XSalsa20-Poly1305). The nonce has 24 bytes. */
export function secretbox(plaintext: Uint8Array, nonce: Uint8Array, key: Uint8Array): Uint8Array {
  return nacl.secretbox(plaintext, nonce, key);
}

/** Decrypts the output of {@link secretbox}. Returns `undefined` if the tag is wrong. */
export function openSecretbox(box: Uint8Array, nonce: Uint8Array, key: Uint8Array): Uint8Array | undefined {
  return nacl.secretbox.open(box, nonce, key) ?? undefined;
}

/** Derives 32 bytes with scrypt (RFC 7914), yielding to the event loop. Needs 128 · 2^log2N · r bytes of memory. */
export async function scrypt(
  password: Uint8Array,
  salt: Uint8Array,
  { log2N, r, p }: { log2N: number; r: number; p: number },
): Promise<Uint8Array> {
  // Loaded on demand: only backups and passphrases need it.
  const { scryptAsync } = await import('@noble/hashes/scrypt.js');
  return scryptAsync(password, salt, { N: 2 ** log2N, r, p, dkLen: 32, asyncTick: 10 });
}
