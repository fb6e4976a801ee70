import { fromBase64 } from '../../lib/base64.ts';
import type { KeyExchangeResponse, PreKey } from '../../protocol/encryption.ts';
import { isKeyId, readKey } from './envelope.ts';
import { failure, type Outcome } from './failures.ts';
import { readIdentityKey } from './identity.ts';
import { verify } from './primitives.ts';

export interface PublicPreKey {
  readonly id: number;
  readonly publicKey: Uint8Array;
}

/** Somebody's public keys, checked: the identity is sound and has signed the signed prekey. */
export interface Bundle {
  readonly userId: string;
  readonly identityKey: Uint8Array;
  readonly signedPreKey: PublicPreKey;
  readonly oneTimePreKey: PublicPreKey | undefined;
}

/** Reads what a server says are `userId`'s keys. Whether they are is for pins and safety numbers to say. */
export function readBundle(userId: string, response: KeyExchangeResponse): Outcome<{ bundle: Bundle }> {
  if (response.recipientId !== userId) return failure('not-ours');
  const signedPreKey = readPreKey(response.signedPreKey);
  const signature = fromBase64(response.signedPreKeySignature);
  const oneTimePreKey = response.oneTimePreKey === undefined ? undefined : readPreKey(response.oneTimePreKey);
  if (signedPreKey === undefined || signature === undefined) return failure('malformed');
  if (response.oneTimePreKey !== undefined && oneTimePreKey === undefined) return failure('malformed');
  const identityKey = readIdentityKey(response.identityKey);
  if (identityKey === undefined || !verify(signature, signedPreKey.publicKey, identityKey)) return failure('bad-key');
  return { ok: true, bundle: { userId, identityKey, signedPreKey, oneTimePreKey } };
}

function readPreKey({ keyId, publicKey }: PreKey): PublicPreKey | undefined {
  const bytes = readKey(publicKey);
  return bytes === undefined || !isKeyId(keyId) ? undefined : { id: keyId, publicKey: bytes };
}
