import { type ByteReader, type ByteWriter, equalBytes } from '../../lib/bytes.ts';
import type { NumberedKey } from './chain.ts';

/** The key of a message that later ones overtook. */
export interface SkippedKey extends NumberedKey {
  /** The ratchet key of its chain; empty where a chain has none. */
  readonly dh: Uint8Array;
  /** When it was put aside, in milliseconds. */
  readonly at: number;
}

const MAX_SKIPPED = 2_000;
const MAX_AGE_MS = 30 * 24 * 60 * 60_000;

/** Takes out the key of a message, and whatever is too old. */
export function takeSkipped(
  skipped: readonly SkippedKey[],
  dh: Uint8Array,
  n: number,
  now: number,
): { key: Uint8Array; rest: readonly SkippedKey[] } | undefined {
  const found = skipped.find((each) => each.n === n && isFresh(each, now) && equalBytes(each.dh, dh));
  if (found === undefined) return undefined;
  return { key: found.key, rest: skipped.filter((each) => each !== found && isFresh(each, now)) };
}

/** Puts keys aside, the newest last; past {@link MAX_SKIPPED} the oldest go. */
export function withSkipped(
  skipped: readonly SkippedKey[],
  dh: Uint8Array,
  added: readonly NumberedKey[],
  now: number,
): readonly SkippedKey[] {
  const stale = skipped.some((each) => !isFresh(each, now));
  if (added.length === 0 && !stale) return skipped;
  const kept = stale ? skipped.filter((each) => isFresh(each, now)) : skipped;
  return [...kept, ...added.map(({ n, key }) => ({ dh, n, key, at: now }))].slice(-MAX_SKIPPED);
}

function isFresh({ at }: SkippedKey, now: number): boolean {
  return now - at < MAX_AGE_MS;
}

export function writeSkipped(writer: ByteWriter, skipped: readonly SkippedKey[], dhBytes: 0 | 32): void {
  writer.list(skipped, ({ dh, n, key, at }) => writer.bytes(dh.subarray(0, dhBytes)).u32(n).bytes(key).u64(at));
}

export function readSkipped(reader: ByteReader, dhBytes: 0 | 32): SkippedKey[] {
  return reader.list(() => ({ dh: reader.take(dhBytes), n: reader.u32(), key: reader.take(32), at: reader.u64() }));
}
