import { fromBase64, toBase64 } from '../../../lib/base64.ts';
import { ed25519KeyPair, ed25519Sign, ed25519ToX25519, type Random } from './primitives.ts';

/** A user's long-term identity: an Ed25519 key pair, and the X25519 form of its private key for key agreements. */
export interface IdentityKeyPair {
  /** The private key: 32 bytes, from which all other fields are derived. */
  readonly seed: Uint8Array;
  readonly publicKey: Uint8Array;
  /** Seed followed by the public key, as Ed25519 signing takes them. */
  readonly secretKey: Uint8Array;
  readonly x25519PrivateKey: Uint8Array;
}

/** Generates a new identity. */
export function generateIdentityKeyPair(random: Random): IdentityKeyPair {
  return identityKeyPairFromSeed(random(32));
}

/** Derives the identity of a 32-byte seed. */
export function identityKeyPairFromSeed(seed: Uint8Array): IdentityKeyPair {
  return { seed, ...ed25519KeyPair(seed) };
}

/** Decodes a public identity key. Returns `undefined` if it isn't base64 or if {@link ed25519ToX25519} rejects it. */
export function parseIdentityKey(text: string): Uint8Array | undefined {
  const bytes = fromBase64(text);
  return bytes === undefined || ed25519ToX25519(bytes) === undefined ? undefined : bytes;
}

/** Encodes the public identity key in padded base64. */
export function formatIdentityKey(identity: Pick<IdentityKeyPair, 'publicKey'>): string {
  return toBase64(identity.publicKey);
}

/**
 * Signs the raw 32 bytes of a signed prekey, as the server verifies them. Any other message that an identity key signs must
 * be labelled and longer than 32 bytes, so that it can't be taken for a prekey.
 */
export function signPreKey(identity: IdentityKeyPair, publicKey: Uint8Array): Uint8Array {
  return ed25519Sign(publicKey, identity.secretKey);
}
