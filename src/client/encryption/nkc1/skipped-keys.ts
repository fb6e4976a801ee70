import { type ByteReader, type ByteWriter, equalBytes } from '../../../lib/bytes.ts';
import type { NumberedMessageKey } from './chain.ts';

/** The key of a message that has not arrived although later ones have. */
export interface SkippedKey extends NumberedMessageKey {
  /** Ratchet key of the message's chain; empty for sender-key chains, which have none. */
  readonly ratchetKey: Uint8Array;
  /** Milliseconds since the epoch. */
  readonly storedAt: number;
}

const MAX_SKIPPED_KEYS = 2_000;
const MAX_AGE_MS = 30 * 24 * 60 * 60_000;

/** Removes and returns the key of one message, and drops expired keys. Returns `undefined` if there is no such key. */
export function takeSkippedKey(
  skippedKeys: readonly SkippedKey[],
  ratchetKey: Uint8Array,
  n: number,
  now: number,
): { key: Uint8Array; rest: readonly SkippedKey[] } | undefined {
  const found = skippedKeys.find(
    (each) => each.n === n && isFresh(each, now) && equalBytes(each.ratchetKey, ratchetKey),
  );
  if (found === undefined) return undefined;
  return { key: found.key, rest: skippedKeys.filter((each) => each !== found && isFresh(each, now)) };
}

/** Appends keys and drops expired ones. Beyond 2,000 keys the oldest are evicted. */
export function addSkippedKeys(
  skippedKeys: readonly SkippedKey[],
  ratchetKey: Uint8Array,
  added: readonly NumberedMessageKey[],
  now: number,
): readonly SkippedKey[] {
  const hasExpired = skippedKeys.some((each) => !isFresh(each, now));
  if (added.length === 0 && !hasExpired) return skippedKeys;
  const kept = hasExpired ? skippedKeys.filter((each) => isFresh(each, now)) : skippedKeys;
  return [...kept, ...added.map(({ n, key }) => ({ ratchetKey, n, key, storedAt: now }))].slice(-MAX_SKIPPED_KEYS);
}

function isFresh({ storedAt }: SkippedKey, now: number): boolean {
  return now - storedAt < MAX_AGE_MS;
}

/** Serializes skipped keys. `ratchetKeyBytes` is 0 for sender-key chains. */
export function writeSkippedKeys(
  writer: ByteWriter,
  skippedKeys: readonly SkippedKey[],
  ratchetKeyBytes: 0 | 32,
): void {
  writer.list(skippedKeys, ({ ratchetKey, n, key, storedAt }) =>
    writer.bytes(ratchetKey.subarray(0, ratchetKeyBytes)).u32(n).bytes(key).u64(storedAt),
  );
}

/** Reads what {@link writeSkippedKeys} wrote. */
export function readSkippedKeys(reader: ByteReader, ratchetKeyBytes: 0 | 32): SkippedKey[] {
  return reader.list(() => ({
    ratchetKey: reader.take(ratchetKeyBytes),
    n: reader.u32(),
    key: reader.take(32),
    storedAt: reader.u64(),
  }));
}
