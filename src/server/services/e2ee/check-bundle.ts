import type { KeyBundle } from '../../../protocol/encryption.ts';
import { isIdentityKey, verifyEd25519 } from './ed25519.ts';
import { invalid } from '../errors.ts';
import { isLowOrderX25519 } from './x25519.ts';

/**
 * Validates a key bundle. It spares honest clients errors later; clients don't rely on it and validate bundles
 * themselves.
 *
 * @throws CommError `INVALID` with the field and the reason
 */
export function checkBundle(bundle: KeyBundle): void {
  const { identityKey, signedPreKey, signedPreKeySignature, oneTimePreKeys } = bundle;
  const identity = keyBytes(identityKey, 32, 'identityKey');
  const signed = keyBytes(signedPreKey.publicKey, 32, 'signedPreKey');
  const signature = keyBytes(signedPreKeySignature, 64, 'signedPreKeySignature');
  // With a signed prekey of low order no session can be established. A one-time prekey of low order affects only one
  // session.
  if (isLowOrderX25519(signed)) throw invalid('signedPreKey.publicKey must be an X25519 key that is not of low order');
  if (!isIdentityKey(identity)) throw invalid('identityKey must be a canonical Ed25519 key of prime order');
  if (!verifyEd25519(identity, signed, signature))
    throw invalid('signedPreKeySignature must be a signature of signedPreKey by identityKey');
  for (const { publicKey } of oneTimePreKeys) keyBytes(publicKey, 32, 'oneTimePreKeys');
  const ids = new Set(oneTimePreKeys.map(({ keyId }) => keyId));
  if (ids.size !== oneTimePreKeys.length) throw invalid('oneTimePreKeys must not contain a keyId twice');
}

/** Decodes strict base64: the bytes must encode to the same text, so that every key has one encoding. */
function keyBytes(base64: string, length: number, name: string): Uint8Array {
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.length !== length || bytes.toString('base64') !== base64)
    throw invalid(`${name} must be ${length} bytes in base64`);
  return bytes;
}
