import { toBase64Url } from '../../../lib/base64.ts';
import { concat, encodeUtf8, lp, u32 } from '../../../lib/bytes.ts';
import type { IdentityKeyPair } from './identity-key.ts';
import type { PreKeyBundle, PublicPreKey } from './prekey-bundle.ts';
import type { PreKeyRecord } from './prekey-state.ts';
import { ed25519ToX25519, hkdf, type KeyPair, sha256, x25519 } from './primitives.ts';

const TRANSCRIPT_LABEL = encodeUtf8('NKC1-TH');
const SECRET_LABEL = encodeUtf8('NKC1-X3DH');
/** Device number. This version has one device per user. */
const DEVICE = u32(0);
const SALT = new Uint8Array(32);
const IKM_PREFIX = new Uint8Array(32).fill(0xff);
const WITHOUT_ONE_TIME = Uint8Array.of(0);
const WITH_ONE_TIME = Uint8Array.of(1);

/** A user and their public identity key. */
export interface PublicIdentity {
  readonly userId: string;
  readonly identityKey: Uint8Array;
}

/** The result of X3DH: the transcript hash TH and the shared secret SK, 32 bytes each. */
export interface KeyAgreement {
  readonly transcript: Uint8Array;
  readonly secret: Uint8Array;
}

/** Computes TH, which commits to both users and to every public key of the key agreement. */
export function transcriptHash(
  initiator: PublicIdentity,
  responder: PublicIdentity,
  ephemeralKey: Uint8Array,
  signedPreKey: PublicPreKey,
  oneTimePreKey: PublicPreKey | undefined,
): Uint8Array {
  return sha256(
    concat(
      TRANSCRIPT_LABEL,
      lp(initiator.userId),
      DEVICE,
      lp(responder.userId),
      DEVICE,
      initiator.identityKey,
      responder.identityKey,
      ephemeralKey,
      u32(signedPreKey.id),
      signedPreKey.publicKey,
      ...(oneTimePreKey === undefined
        ? [WITHOUT_ONE_TIME]
        : [WITH_ONE_TIME, u32(oneTimePreKey.id), oneTimePreKey.publicKey]),
    ),
  );
}

/** The session id: the first 16 bytes of TH in base64url without padding. */
export function sessionIdFromTranscript(transcript: Uint8Array): string {
  return toBase64Url(transcript.subarray(0, 16));
}

/**
 * Computes the initiator's side (Signal, "The X3DH Key Agreement Protocol").
 *
 * @returns `undefined` if a DH result is zero
 */
export function initiateKeyAgreement(
  local: { readonly userId: string; readonly identity: IdentityKeyPair },
  bundle: PreKeyBundle,
  ephemeral: KeyPair,
): KeyAgreement | undefined {
  const { signedPreKey, oneTimePreKey } = bundle;
  const initiator = { userId: local.userId, identityKey: local.identity.publicKey };
  const transcript = transcriptHash(initiator, bundle, ephemeral.publicKey, signedPreKey, oneTimePreKey);
  const remoteIdentity = ed25519ToX25519(bundle.identityKey);
  if (remoteIdentity === undefined) return undefined;
  const results = [
    x25519(local.identity.x25519PrivateKey, signedPreKey.publicKey),
    x25519(ephemeral.privateKey, remoteIdentity),
    x25519(ephemeral.privateKey, signedPreKey.publicKey),
    ...(oneTimePreKey === undefined ? [] : [x25519(ephemeral.privateKey, oneTimePreKey.publicKey)]),
  ];
  return deriveSecret(transcript, results);
}

/**
 * Computes the responder's side from the keys that a prekey envelope names.
 *
 * @returns `undefined` if a DH result is zero
 */
export function respondToKeyAgreement(
  identity: IdentityKeyPair,
  transcript: Uint8Array,
  remoteIdentityKey: Uint8Array,
  ephemeralKey: Uint8Array,
  signedPreKey: PreKeyRecord,
  oneTimePreKey: PreKeyRecord | undefined,
): KeyAgreement | undefined {
  const remoteIdentity = ed25519ToX25519(remoteIdentityKey);
  if (remoteIdentity === undefined) return undefined;
  const results = [
    x25519(signedPreKey.privateKey, remoteIdentity),
    x25519(identity.x25519PrivateKey, ephemeralKey),
    x25519(signedPreKey.privateKey, ephemeralKey),
    ...(oneTimePreKey === undefined ? [] : [x25519(oneTimePreKey.privateKey, ephemeralKey)]),
  ];
  return deriveSecret(transcript, results);
}

function deriveSecret(transcript: Uint8Array, results: readonly (Uint8Array | undefined)[]): KeyAgreement | undefined {
  const shared = results.filter((result) => result !== undefined);
  if (shared.length < results.length) return undefined;
  return { transcript, secret: hkdf(concat(IKM_PREFIX, ...shared), SALT, concat(SECRET_LABEL, transcript), 32) };
}
