import { type ByteReader, ByteWriter, readStrictly } from '../../../lib/bytes.ts';
import type { KeyPair } from './primitives.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
/** Age in milliseconds at which a signed prekey is replaced: 7 days. */
export const ROTATION_MS = 7 * DAY_MS;
const RETENTION_MS = 30 * DAY_MS;
/** Number of one-time prekeys in one upload. */
export const ONE_TIME_BATCH = 100;
const REPLENISH_AT = 75;

/** A prekey with its private key. */
export interface PreKeyRecord extends KeyPair {
  readonly id: number;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
}

/** A user's own prekeys and their publication state. Immutable. */
export interface PreKeyState {
  readonly nextSignedId: number;
  readonly nextOneTimeId: number;
  /** Newest last. */
  readonly signedPreKeys: readonly PreKeyRecord[];
  readonly oneTimePreKeys: readonly PreKeyRecord[];
  /** First id of the one-time batch that the server holds; 0 before the first confirmed upload. */
  readonly publishedOneTimeFrom: number;
  /** Id of the signed prekey that the server holds; 0 before the first confirmed upload. */
  readonly publishedSignedId: number;
  /** When the last upload was prepared, in milliseconds since the epoch; 0 before the first. */
  readonly uploadedAt: number;
  /** True if the server has reported since the last upload that it has few or no one-time prekeys left. */
  readonly depleted: boolean;
}

/** The ids of one upload, to be passed to {@link markPublished} when the server confirms it. */
export interface PreKeyUpload {
  readonly signedId: number;
  readonly oneTimeFrom: number;
}

/** The state before any prekey was generated. */
export const EMPTY_PREKEY_STATE: PreKeyState = {
  nextSignedId: 1,
  nextOneTimeId: 1,
  signedPreKeys: [],
  oneTimePreKeys: [],
  publishedOneTimeFrom: 0,
  publishedSignedId: 0,
  uploadedAt: 0,
  depleted: false,
};

/**
 * Returns the delay until the next upload in milliseconds, 0 if it is due now. Uploads are at least one minute apart. Returns
 * `undefined` if none is needed before the next rotation.
 */
export function uploadDelay(state: PreKeyState, now: number): number | undefined {
  const isNeeded =
    state.publishedSignedId === 0 || state.depleted || countUsed(state) >= REPLENISH_AT || rotationAt(state) <= now;
  if (!isNeeded) return undefined;
  // A clock that was set back must not extend the wait.
  const elapsed = Math.max(0, now - state.uploadedAt);
  return Math.max(0, MINUTE_MS - elapsed);
}

/** Returns when the published signed prekey must be replaced, in milliseconds since the epoch; 0 if none is published. */
export function rotationAt(state: PreKeyState): number {
  const published = state.signedPreKeys.find(({ id }) => id === state.publishedSignedId);
  return published === undefined ? 0 : published.createdAt + ROTATION_MS;
}

function countUsed({ oneTimePreKeys, publishedOneTimeFrom: from }: PreKeyState): number {
  if (from === 0) return 0;
  return ONE_TIME_BATCH - oneTimePreKeys.filter(({ id }) => id >= from && id < from + ONE_TIME_BATCH).length;
}

/** Records that the server confirmed an upload. A confirmation older than the last recorded one is ignored. */
export function markPublished(state: PreKeyState, { signedId, oneTimeFrom }: PreKeyUpload): PreKeyState {
  if (oneTimeFrom <= state.publishedOneTimeFrom) return state;
  return { ...state, publishedOneTimeFrom: oneTimeFrom, publishedSignedId: signedId, depleted: false };
}

/** Records that the server has few or no one-time prekeys left. */
export function markDepleted(state: PreKeyState): PreKeyState {
  return { ...state, depleted: true };
}

/** Removes a one-time prekey that a session has used, with its private key. */
export function removeOneTimePreKey(state: PreKeyState, id: number): PreKeyState {
  return { ...state, oneTimePreKeys: state.oneTimePreKeys.filter((key) => key.id !== id) };
}

/** Removes private keys 30 days after newer ones replaced them. Returns `state` itself if nothing has expired. */
export function removeExpiredPreKeys(state: PreKeyState, now: number): PreKeyState {
  const signedPreKeys = state.signedPreKeys.filter(({ id }, at) => {
    const replacedAt = state.signedPreKeys[at + 1]?.createdAt;
    return replacedAt === undefined || id === state.publishedSignedId || replacedAt + RETENTION_MS > now;
  });
  const oneTimePreKeys = state.oneTimePreKeys.filter(
    ({ id, createdAt }) => isCurrent(state, id) || createdAt + RETENTION_MS > now,
  );
  const isUnchanged =
    signedPreKeys.length === state.signedPreKeys.length && oneTimePreKeys.length === state.oneTimePreKeys.length;
  return isUnchanged ? state : { ...state, signedPreKeys, oneTimePreKeys };
}

function isCurrent({ publishedOneTimeFrom }: PreKeyState, id: number): boolean {
  return publishedOneTimeFrom > 0 && id >= publishedOneTimeFrom;
}

/** Serializes the state for storage. */
export function encodePreKeyState(state: PreKeyState): Uint8Array {
  const writer = new ByteWriter().u8(1).u32(state.nextSignedId).u32(state.nextOneTimeId);
  writer.u32(state.publishedOneTimeFrom).u32(state.publishedSignedId).u64(state.uploadedAt).flag(state.depleted);
  for (const list of [state.signedPreKeys, state.oneTimePreKeys])
    writer.list(list, ({ id, publicKey, privateKey, createdAt }) =>
      writer.u32(id).bytes(publicKey).bytes(privateKey).u64(createdAt),
    );
  return writer.done();
}

/** Reads what {@link encodePreKeyState} wrote. Returns `undefined` if the bytes are malformed. */
export function decodePreKeyState(bytes: Uint8Array): PreKeyState | undefined {
  return readStrictly(bytes, (reader) => {
    if (reader.u8() !== 1) reader.fail();
    return {
      nextSignedId: reader.u32(),
      nextOneTimeId: reader.u32(),
      publishedOneTimeFrom: reader.u32(),
      publishedSignedId: reader.u32(),
      uploadedAt: reader.u64(),
      depleted: reader.flag(),
      signedPreKeys: readPreKeyRecords(reader),
      oneTimePreKeys: readPreKeyRecords(reader),
    };
  });
}

function readPreKeyRecords(reader: ByteReader): PreKeyRecord[] {
  return reader.list(() => ({
    id: reader.u32(),
    publicKey: reader.take(32),
    privateKey: reader.take(32),
    createdAt: reader.u64(),
  }));
}
