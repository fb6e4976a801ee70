import { type ByteReader, ByteWriter, readStrictly } from '../../lib/bytes.ts';
import type { KeyPair } from './primitives.ts';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
export const ROTATE_AFTER = 7 * DAY;
const KEEP_FOR = 30 * DAY;
export const BATCH = 100;
const REPLENISH_AT = 75;

export interface OwnPreKey extends KeyPair {
  readonly id: number;
  /** When it was made, in milliseconds. */
  readonly at: number;
}

/** A user's own prekeys, with their private halves. */
export interface PreKeys {
  readonly nextSignedId: number;
  readonly nextOneTimeId: number;
  /** Newest last. */
  readonly signed: readonly OwnPreKey[];
  readonly oneTime: readonly OwnPreKey[];
  /** Id of the first one-time key of the batch that the server has, 0 before the first answer. */
  readonly publishedFrom: number;
  /** Id of the signed prekey that the server has, 0 before the first answer. */
  readonly publishedSigned: number;
  /** When the last upload was prepared, 0 before the first. */
  readonly uploadedAt: number;
  /** The server said that it has none left, since the last upload. */
  readonly depleted: boolean;
}

/** What an upload carries, to be marked on its answer. */
export interface Upload {
  readonly signedId: number;
  readonly oneTimeFrom: number;
}

/** Before anything was made. */
export const NO_PREKEYS: PreKeys = {
  nextSignedId: 1,
  nextOneTimeId: 1,
  signed: [],
  oneTime: [],
  publishedFrom: 0,
  publishedSigned: 0,
  uploadedAt: 0,
  depleted: false,
};

/** Milliseconds until an upload is due: 0 is now. `undefined` when nothing has to be uploaded before the next rotation. */
export function uploadDue(keys: PreKeys, now: number): number | undefined {
  const due = keys.publishedSigned === 0 || keys.depleted || used(keys) >= REPLENISH_AT || rotationAt(keys) <= now;
  if (!due) return undefined;
  // A clock that was set back must not make anybody wait longer.
  const since = Math.max(0, now - keys.uploadedAt);
  return Math.max(0, MINUTE - since);
}

/** When the signed prekey has to be replaced, in milliseconds since the epoch. */
export function rotationAt(keys: PreKeys): number {
  const published = keys.signed.find(({ id }) => id === keys.publishedSigned);
  return published === undefined ? 0 : published.at + ROTATE_AFTER;
}

function used({ oneTime, publishedFrom }: PreKeys): number {
  if (publishedFrom === 0) return 0;
  return BATCH - oneTime.filter(({ id }) => id >= publishedFrom && id < publishedFrom + BATCH).length;
}

/** The server has taken an upload. An answer that comes after a later one's says nothing new. */
export function markPublished(keys: PreKeys, { signedId, oneTimeFrom }: Upload): PreKeys {
  if (oneTimeFrom <= keys.publishedFrom) return keys;
  return { ...keys, publishedFrom: oneTimeFrom, publishedSigned: signedId, depleted: false };
}

export function markDepleted(keys: PreKeys): PreKeys {
  return { ...keys, depleted: true };
}

/** Without a one-time key that has started a session: its private half is gone for good. */
export function consumeOneTime(keys: PreKeys, id: number): PreKeys {
  return { ...keys, oneTime: keys.oneTime.filter((key) => key.id !== id) };
}

/** Without private halves that are too old to be needed: 30 days after something newer took their place. */
export function expirePreKeys(keys: PreKeys, now: number): PreKeys {
  const signed = keys.signed.filter(({ id }, at) => {
    const replacedAt = keys.signed[at + 1]?.at;
    return replacedAt === undefined || id === keys.publishedSigned || replacedAt + KEEP_FOR > now;
  });
  const oneTime = keys.oneTime.filter(({ id, at }) => isCurrent(keys, id) || at + KEEP_FOR > now);
  if (signed.length === keys.signed.length && oneTime.length === keys.oneTime.length) return keys;
  return { ...keys, signed, oneTime };
}

function isCurrent({ publishedFrom }: PreKeys, id: number): boolean {
  return publishedFrom > 0 && id >= publishedFrom;
}

export function encodePreKeys(keys: PreKeys): Uint8Array {
  const writer = new ByteWriter().u8(1).u32(keys.nextSignedId).u32(keys.nextOneTimeId);
  writer.u32(keys.publishedFrom).u32(keys.publishedSigned).u64(keys.uploadedAt).flag(keys.depleted);
  for (const list of [keys.signed, keys.oneTime])
    writer.list(list, ({ id, publicKey, privateKey, at }) => writer.u32(id).bytes(publicKey).bytes(privateKey).u64(at));
  return writer.done();
}

export function decodePreKeys(bytes: Uint8Array): PreKeys | undefined {
  return readStrictly(bytes, (reader) => {
    if (reader.u8() !== 1) reader.fail();
    return {
      nextSignedId: reader.u32(),
      nextOneTimeId: reader.u32(),
      publishedFrom: reader.u32(),
      publishedSigned: reader.u32(),
      uploadedAt: reader.u64(),
      depleted: reader.flag(),
      signed: readOwn(reader),
      oneTime: readOwn(reader),
    };
  });
}

function readOwn(reader: ByteReader): OwnPreKey[] {
  return reader.list(() => ({
    id: reader.u32(),
    publicKey: reader.take(32),
    privateKey: reader.take(32),
    at: reader.u64(),
  }));
}
