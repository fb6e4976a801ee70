import { toBase64Url } from '../../lib/base64.ts';
import { concat, encodeUtf8, lp, u32 } from '../../lib/bytes.ts';
import type { Bundle, PublicPreKey } from './bundle.ts';
import type { Identity } from './identity.ts';
import type { OwnPreKey } from './prekeys.ts';
import { dh, hkdf, identityToDh, type KeyPair, sha256 } from './primitives.ts';

const TH_LABEL = encodeUtf8('NKC1-TH');
const SK_LABEL = encodeUtf8('NKC1-X3DH');
/** This version has one device a user; the number is there for a later one. */
const DEVICE = u32(0);
const SALT = new Uint8Array(32);
const PREFIX = new Uint8Array(32).fill(0xff);
const NO_ONE_TIME = Uint8Array.of(0);
const ONE_TIME = Uint8Array.of(1);

export interface PublicParty {
  readonly userId: string;
  readonly identityKey: Uint8Array;
}

/** What two users have agreed on: TH, which names everything that went into it, and the secret SK. */
export interface Agreement {
  readonly transcript: Uint8Array;
  readonly secret: Uint8Array;
}

/** TH: who starts, who answers, and each key they use. */
export function transcriptOf(
  starts: PublicParty,
  answers: PublicParty,
  ephemeralKey: Uint8Array,
  signedPreKey: PublicPreKey,
  oneTimePreKey: PublicPreKey | undefined,
): Uint8Array {
  return sha256(
    concat(
      TH_LABEL,
      lp(starts.userId),
      DEVICE,
      lp(answers.userId),
      DEVICE,
      starts.identityKey,
      answers.identityKey,
      ephemeralKey,
      u32(signedPreKey.id),
      signedPreKey.publicKey,
      ...(oneTimePreKey === undefined ? [NO_ONE_TIME] : [ONE_TIME, u32(oneTimePreKey.id), oneTimePreKey.publicKey]),
    ),
  );
}

export function sessionIdOf(transcript: Uint8Array): string {
  return toBase64Url(transcript.subarray(0, 16));
}

/** The side that starts (Signal, "The X3DH Key Agreement Protocol"). `undefined` when a key makes a DH result zero. */
export function startAgreement(
  own: { readonly userId: string; readonly identity: Identity },
  bundle: Bundle,
  ephemeral: KeyPair,
): Agreement | undefined {
  const { signedPreKey, oneTimePreKey } = bundle;
  const starts = { userId: own.userId, identityKey: own.identity.publicKey };
  const transcript = transcriptOf(starts, bundle, ephemeral.publicKey, signedPreKey, oneTimePreKey);
  const theirs = identityToDh(bundle.identityKey);
  if (theirs === undefined) return undefined;
  const results = [
    dh(own.identity.dhPrivateKey, signedPreKey.publicKey),
    dh(ephemeral.privateKey, theirs),
    dh(ephemeral.privateKey, signedPreKey.publicKey),
    ...(oneTimePreKey === undefined ? [] : [dh(ephemeral.privateKey, oneTimePreKey.publicKey)]),
  ];
  return agreement(transcript, results);
}

/** The side that answers, from what a prekey envelope says. `undefined` as in {@link startAgreement}. */
export function answerAgreement(
  identity: Identity,
  transcript: Uint8Array,
  theirIdentityKey: Uint8Array,
  ephemeralKey: Uint8Array,
  signedPreKey: OwnPreKey,
  oneTimePreKey: OwnPreKey | undefined,
): Agreement | undefined {
  const theirs = identityToDh(theirIdentityKey);
  if (theirs === undefined) return undefined;
  const results = [
    dh(signedPreKey.privateKey, theirs),
    dh(identity.dhPrivateKey, ephemeralKey),
    dh(signedPreKey.privateKey, ephemeralKey),
    ...(oneTimePreKey === undefined ? [] : [dh(oneTimePreKey.privateKey, ephemeralKey)]),
  ];
  return agreement(transcript, results);
}

function agreement(transcript: Uint8Array, results: readonly (Uint8Array | undefined)[]): Agreement | undefined {
  const shared = results.filter((result) => result !== undefined);
  if (shared.length < results.length) return undefined;
  return { transcript, secret: hkdf(concat(PREFIX, ...shared), SALT, concat(SK_LABEL, transcript), 32) };
}
