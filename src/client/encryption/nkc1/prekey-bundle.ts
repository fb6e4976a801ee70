import { fromBase64 } from '../../../lib/base64.ts';
import type { KeyExchangeResponse, PreKey } from '../../../protocol/encryption.ts';
import { decodeKey, isPreKeyId } from './envelope.ts';
import { failure, type Outcome } from './failures.ts';
import { parseIdentityKey } from './identity-key.ts';
import { ed25519Verify } from './primitives.ts';

/** The public half of a prekey. */
export interface PublicPreKey {
  readonly id: number;
  readonly publicKey: Uint8Array;
}

/** A user's public keys. The identity key is valid and has signed the signed prekey. */
export interface PreKeyBundle {
  readonly userId: string;
  readonly identityKey: Uint8Array;
  readonly signedPreKey: PublicPreKey;
  readonly oneTimePreKey: PublicPreKey | undefined;
}

/**
 * Parses and verifies the bundle that the server returned for `userId`. Whether the identity key belongs to that user is
 * decided by identity trust and safety numbers, not here.
 */
export function parsePreKeyBundle(userId: string, response: KeyExchangeResponse): Outcome<{ bundle: PreKeyBundle }> {
  if (response.recipientId !== userId) return failure('not-ours');
  const signedPreKey = parsePreKey(response.signedPreKey);
  const signature = fromBase64(response.signedPreKeySignature);
  const oneTimePreKey = response.oneTimePreKey === undefined ? undefined : parsePreKey(response.oneTimePreKey);
  if (signedPreKey === undefined || signature === undefined) return failure('malformed');
  if (response.oneTimePreKey !== undefined && oneTimePreKey === undefined) return failure('malformed');
  const identityKey = parseIdentityKey(response.identityKey);
  if (identityKey === undefined || !ed25519Verify(signature, signedPreKey.publicKey, identityKey))
    return failure('bad-key');
  return { ok: true, bundle: { userId, identityKey, signedPreKey, oneTimePreKey } };
}

function parsePreKey({ keyId, publicKey }: PreKey): PublicPreKey | undefined {
  const bytes = decodeKey(publicKey);
  return bytes === undefined || !isPreKeyId(keyId) ? undefined : { id: keyId, publicKey: bytes };
}
