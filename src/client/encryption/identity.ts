import { fromBase64, toBase64 } from '../../lib/base64.ts';
import { identityToDh, type Random, sign, signingKeyPair } from './primitives.ts';

/** A user's own long-lived key: Ed25519, and X25519 of the same secret for key agreements. */
export interface Identity {
  /** The private key: 32 bytes, all that has to be kept. */
  readonly seed: Uint8Array;
  readonly publicKey: Uint8Array;
  /** Seed and public key, as signing wants them. */
  readonly secretKey: Uint8Array;
  readonly dhPrivateKey: Uint8Array;
}

export function createIdentity(random: Random): Identity {
  return identityOf(random(32));
}

/** The identity of a seed of 32 bytes. */
export function identityOf(seed: Uint8Array): Identity {
  return { seed, ...signingKeyPair(seed) };
}

/** An identity key as others say it; `undefined` for what must not be one (see {@link identityToDh}). */
export function readIdentityKey(text: string): Uint8Array | undefined {
  const bytes = fromBase64(text);
  return bytes === undefined || identityToDh(bytes) === undefined ? undefined : bytes;
}

export function identityKeyText(identity: Pick<Identity, 'publicKey'>): string {
  return toBase64(identity.publicKey);
}

/**
 * A signed prekey's signature: over the raw 32 bytes, as the server checks it. Whatever else an identity ever signs has to
 * be a labelled message longer than 32 bytes.
 */
export function signPreKey(identity: Identity, publicKey: Uint8Array): Uint8Array {
  return sign(publicKey, identity.secretKey);
}
