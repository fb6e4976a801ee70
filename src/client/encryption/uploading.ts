import { toBase64 } from '../../lib/base64.ts';
import type { KeyBundle, PreKey } from '../../protocol/encryption.ts';
import type { PublicPreKey } from './bundle.ts';
import { type Identity, identityKeyText, signPreKey } from './identity.ts';
import {
  BATCH,
  expirePreKeys,
  NO_PREKEYS,
  ROTATE_AFTER,
  type OwnPreKey,
  type PreKeys,
  type Upload,
} from './prekeys.ts';
import { dhKeyPair, type Random } from './primitives.ts';

/** Private halves of one-time keys that are kept at most: somebody may still start a session with an older one. */
const MAX_ONE_TIME = 1_000;
const MAX_ID = 2 ** 31 - 1;

/** What is published: the server adds who and when. */
export type PublishedBundle = Omit<KeyBundle, 'userId' | 'uploadedAt'>;

/** Where an identity was imported whose counters are lost: ids that an earlier device is unlikely to have used. */
export function importedPreKeys(random: Random): PreKeys {
  const [a = 0, b = 0, c = 0, d = 0] = random(4);
  const from = 2 ** 29 + ((((a << 24) | (b << 16) | (c << 8) | d) >>> 0) % 2 ** 30);
  return { ...NO_PREKEYS, nextSignedId: from, nextOneTimeId: from };
}

/**
 * Makes what the next upload publishes. Store `keys` first, then upload `bundle`, then {@link markPublished} with
 * `upload` on the answer. Each call makes fresh one-time keys: an upload without an answer may have reached the server.
 */
export function prepareUpload(
  keys: PreKeys,
  identity: Identity,
  random: Random,
  now: number,
): { keys: PreKeys; upload: Upload; bundle: PublishedBundle } {
  const kept = expirePreKeys(keys, now);
  if (kept.nextOneTimeId + BATCH > MAX_ID || kept.nextSignedId >= MAX_ID)
    throw new RangeError('There are no key ids left');
  const newest = kept.signed.at(-1);
  const current = newest !== undefined && newest.at + ROTATE_AFTER > now ? newest : undefined;
  const signed = current ?? draw(kept.nextSignedId, random, now);
  const oneTime = Array.from({ length: BATCH }, (_, at) => draw(kept.nextOneTimeId + at, random, now));
  return {
    keys: {
      ...kept,
      nextSignedId: current === undefined ? kept.nextSignedId + 1 : kept.nextSignedId,
      nextOneTimeId: kept.nextOneTimeId + BATCH,
      signed: current === undefined ? [...kept.signed, signed] : kept.signed,
      oneTime: [...kept.oneTime, ...oneTime].slice(-MAX_ONE_TIME),
      uploadedAt: now,
    },
    upload: { signedId: signed.id, oneTimeFrom: kept.nextOneTimeId },
    bundle: buildBundle(identity, signed, oneTime),
  };
}

function draw(id: number, random: Random, at: number): OwnPreKey {
  return { id, ...dhKeyPair(random(32)), at };
}

function buildBundle(identity: Identity, signed: PublicPreKey, oneTime: readonly PublicPreKey[]): PublishedBundle {
  return {
    identityKey: identityKeyText(identity),
    signedPreKey: published(signed),
    signedPreKeySignature: toBase64(signPreKey(identity, signed.publicKey)),
    oneTimePreKeys: oneTime.map(published),
  };
}

function published({ id, publicKey }: PublicPreKey): PreKey {
  return { keyId: id, publicKey: toBase64(publicKey) };
}
