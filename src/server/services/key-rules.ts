import type { KeyBundle } from '../../protocol/encryption.ts';
import { isIdentityKey, verifyEd25519 } from './ed25519.ts';
import { invalid } from './refusals.ts';
import { isLowOrderX25519 } from './x25519.ts';

/**
 * What a bundle must be. It spares honest clients trouble; they trust none of it, and check again.
 *
 * @throws CommError `INVALID`
 */
export function checkBundle(bundle: KeyBundle): void {
  const { identityKey, signedPreKey, signedPreKeySignature, oneTimePreKeys } = bundle;
  const identity = keyBytes(identityKey, 32, 'identityKey');
  const signed = keyBytes(signedPreKey.publicKey, 32, 'signedPreKey');
  const signature = keyBytes(signedPreKeySignature, 64, 'signedPreKeySignature');
  // With one of low order no session could ever begin. One-time prekeys of that kind hurt one session each.
  if (isLowOrderX25519(signed)) throw invalid('signedPreKey is not a usable X25519 key');
  if (!isIdentityKey(identity)) throw invalid('identityKey is not a usable Ed25519 key');
  if (!verifyEd25519(identity, signed, signature)) throw invalid('signedPreKeySignature does not fit');
  for (const { publicKey } of oneTimePreKeys) keyBytes(publicKey, 32, 'oneTimePreKeys');
  const ids = new Set(oneTimePreKeys.map(({ keyId }) => keyId));
  if (ids.size !== oneTimePreKeys.length) throw invalid('oneTimePreKeys have the same keyId twice');
}

/** Strict base64: what was decoded must encode to the same text, or one key would have several names. */
function keyBytes(base64: string, length: number, name: string): Uint8Array {
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.length !== length || bytes.toString('base64') !== base64) throw invalid(`${name} is not ${length} bytes`);
  return bytes;
}
