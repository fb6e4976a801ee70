import { generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';
import type { KeyBundle } from '../../../src/protocol/encryption.ts';

export interface Identity {
  readonly identityKey: Buffer;
  sign(message: Uint8Array): Buffer;
}

export function newIdentity(): Identity {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  return { identityKey: rawKey(publicKey), sign: (message) => sign(null, message, privateKey) };
}

/** A bundle that a server has to take. */
export function keyBundle(oneTimePreKeys: number, identity = newIdentity()): KeyBundle {
  const signedPreKey = randomBytes(32);
  return {
    userId: '',
    uploadedAt: '',
    identityKey: identity.identityKey.toString('base64'),
    signedPreKey: { keyId: 1, publicKey: signedPreKey.toString('base64') },
    signedPreKeySignature: identity.sign(signedPreKey).toString('base64'),
    oneTimePreKeys: Array.from({ length: oneTimePreKeys }, (_, index) => ({
      keyId: index + 1,
      publicKey: randomBytes(32).toString('base64'),
    })),
  };
}

/** The last 32 bytes of its DER form (RFC 8410). */
function rawKey(publicKey: KeyObject): Buffer {
  return publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
}
