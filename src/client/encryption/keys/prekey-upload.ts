import { toBase64 } from '../../../lib/base64.ts';
import type { KeyBundle, KeyExchangeResponse, PreKey } from '../../../protocol/encryption.ts';
import { isCommError } from '../../../protocol/errors.ts';
import type { ClientContext } from '../../context.ts';
import { type Keystore, RECORDS } from '../keystore/keystore.ts';
import { formatIdentityKey, type IdentityKeyPair, signPreKey } from '../nkc1/identity-key.ts';
import type { PublicPreKey } from '../nkc1/prekey-bundle.ts';
import {
  EMPTY_PREKEY_STATE,
  encodePreKeyState,
  markPublished,
  ONE_TIME_BATCH,
  type PreKeyRecord,
  type PreKeyState,
  type PreKeyUpload,
  removeExpiredPreKeys,
  ROTATION_MS,
} from '../nkc1/prekey-state.ts';
import { type Random, x25519KeyPair } from '../nkc1/primitives.ts';
import { otherDeviceError } from './request-keys.ts';

/** Private one-time prekeys that are kept. A peer may still start a session with one of an earlier batch. */
const MAX_ONE_TIME_PREKEYS = 1_000;
const MAX_ID = 2 ** 31 - 1;

/** The keys to upload, without the user id and the time. */
export type PublishedBundle = Omit<KeyBundle, 'userId' | 'uploadedAt'>;

/** The state after an identity was imported. Its counters start at random ids, which an earlier device is unlikely to have used. */
export function preKeyStateAfterImport(random: Random): PreKeyState {
  const [a = 0, b = 0, c = 0, d = 0] = random(4);
  const from = 2 ** 29 + ((((a << 24) | (b << 16) | (c << 8) | d) >>> 0) % 2 ** 30);
  return { ...EMPTY_PREKEY_STATE, nextSignedId: from, nextOneTimeId: from };
}

/**
 * Generates prekeys, stores their private keys, uploads the public keys, and records that the server has confirmed them.
 *
 * @param published - the keys that the server holds now, if any; it rejects the upload if it holds others
 * @throws CommError `E2EE_OTHER_DEVICE` if another device has published its keys meanwhile, `STORAGE`
 */
export async function uploadPreKeys(
  { clock, requester }: ClientContext,
  keystore: Keystore,
  published: KeyExchangeResponse | undefined,
): Promise<void> {
  const { records, userId } = keystore;
  const now = clock.now();
  const names = [RECORDS.identity, RECORDS.preKeys];
  const prepared = await records.transact(names, (tx) => {
    keystore.requireStored();
    const { preKeys, identity } = keystore.localParty(tx);
    const step = prepareUpload(preKeys, identity, keystore.random, now);
    tx.put(RECORDS.preKeys, encodePreKeyState(step.state));
    return step;
  });
  const replaces = published?.identityKey ?? null;
  const isSameIdentity = replaces === prepared.bundle.identityKey;
  const bundle = {
    ...prepared.bundle,
    userId,
    uploadedAt: new Date(now).toISOString(),
    replaces,
    // A later version of this client may have published them for the same identity.
    ...(isSameIdentity && published?.ext !== undefined && { ext: published.ext }),
  };
  await requester.request('encryption:upload-keys', bundle).catch((error: unknown) => {
    throw isCommError(error) && error.code === 'CONFLICT' ? otherDeviceError() : error;
  });
  await records.transact(names, (tx) => {
    const { preKeys } = keystore.localParty(tx);
    tx.put(RECORDS.preKeys, encodePreKeyState(markPublished(preKeys, prepared.upload)));
  });
}

/**
 * Generates the prekeys of the next upload. Store `state` before `bundle` is uploaded, and pass `upload` to
 * `markPublished` when the server has confirmed it. Each call generates fresh one-time prekeys, because an unconfirmed upload may have reached the
 * server.
 *
 * @throws RangeError if the prekey ids are exhausted
 */
export function prepareUpload(
  current: PreKeyState,
  identity: IdentityKeyPair,
  random: Random,
  now: number,
): { state: PreKeyState; upload: PreKeyUpload; bundle: PublishedBundle } {
  const kept = removeExpiredPreKeys(current, now);
  if (kept.nextOneTimeId + ONE_TIME_BATCH > MAX_ID || kept.nextSignedId >= MAX_ID) {
    throw new RangeError('Prekey ids are exhausted');
  }
  const newest = kept.signedPreKeys.at(-1);
  const reused = newest !== undefined && newest.createdAt + ROTATION_MS > now ? newest : undefined;
  const signed = reused ?? generatePreKey(kept.nextSignedId, random, now);
  const oneTime = Array.from({ length: ONE_TIME_BATCH }, (_, at) =>
    generatePreKey(kept.nextOneTimeId + at, random, now),
  );
  return {
    state: {
      ...kept,
      nextSignedId: reused === undefined ? kept.nextSignedId + 1 : kept.nextSignedId,
      nextOneTimeId: kept.nextOneTimeId + ONE_TIME_BATCH,
      signedPreKeys: reused === undefined ? [...kept.signedPreKeys, signed] : kept.signedPreKeys,
      oneTimePreKeys: [...kept.oneTimePreKeys, ...oneTime].slice(-MAX_ONE_TIME_PREKEYS),
      uploadedAt: now,
    },
    upload: { signedId: signed.id, oneTimeFrom: kept.nextOneTimeId },
    bundle: buildBundle(identity, signed, oneTime),
  };
}

function generatePreKey(id: number, random: Random, createdAt: number): PreKeyRecord {
  return { id, ...x25519KeyPair(random(32)), createdAt };
}

function buildBundle(
  identity: IdentityKeyPair,
  signed: PublicPreKey,
  oneTime: readonly PublicPreKey[],
): PublishedBundle {
  return {
    identityKey: formatIdentityKey(identity),
    signedPreKey: toWire(signed),
    signedPreKeySignature: toBase64(signPreKey(identity, signed.publicKey)),
    oneTimePreKeys: oneTime.map(toWire),
  };
}

function toWire({ id, publicKey }: PublicPreKey): PreKey {
  return { keyId: id, publicKey: toBase64(publicKey) };
}
