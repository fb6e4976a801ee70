import type { KeyBundle } from '../../protocol/encryption.ts';
import type { Identity } from './identity.ts';
import type { KeyPair, Random } from './primitives.ts';

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
export function uploadDue(_keys: PreKeys, _now: number): number | undefined {
  throw new Error('not yet');
}

/** When the signed prekey has to be replaced, in milliseconds since the epoch. */
export function rotationAt(_keys: PreKeys): number {
  throw new Error('not yet');
}

/**
 * Makes what the next upload publishes. Store `keys` first, then upload `bundle`, then {@link markPublished} with
 * `upload` on the answer. Each call makes fresh one-time keys: an upload without an answer may have reached the server.
 */
export function prepareUpload(
  _keys: PreKeys,
  _identity: Identity,
  _random: Random,
  _now: number,
): { keys: PreKeys; upload: Upload; bundle: Omit<KeyBundle, 'userId' | 'uploadedAt'> } {
  throw new Error('not yet');
}

export interface Upload {
  readonly signedId: number;
  readonly oneTimeFrom: number;
}

export function markPublished(_keys: PreKeys, _upload: Upload, _now: number): PreKeys {
  throw new Error('not yet');
}

export function markDepleted(keys: PreKeys): PreKeys {
  return { ...keys, depleted: true };
}

/** Without a one-time key that has started a session: its private half is gone for good. */
export function consumeOneTime(keys: PreKeys, id: number): PreKeys {
  return { ...keys, oneTime: keys.oneTime.filter((key) => key.id !== id) };
}

/** Without private halves that are too old to be needed. */
export function expirePreKeys(_keys: PreKeys, _now: number): PreKeys {
  throw new Error('not yet');
}

export function encodePreKeys(_keys: PreKeys): Uint8Array {
  throw new Error('not yet');
}

export function decodePreKeys(_bytes: Uint8Array): PreKeys | undefined {
  throw new Error('not yet');
}
