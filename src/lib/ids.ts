import { systemRandom, type RandomSource } from './random.ts';

const POOL_BYTES = 1_024;
/** The year 6429. Later times are not accepted, so that 48 bits always suffice for the ids after them. */
const MAX_MS = 2 ** 47;
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/**
 * Creates a generator of UUIDs version 7 (RFC 9562, section 5.7), which sort by the time they were generated. Within a
 * millisecond a counter in `rand_a` keeps the order (section 6.2, method 1), also when the clock is set back. Given an id
 * as `after`, that id and all later ones sort after it.
 */
export function uuidv7Generator(now: () => number, random: Pick<RandomSource, 'bytes'>): (after?: string) => string {
  let lastMs = 0;
  let counter = 0;
  // Random bytes are requested in bulk: one call per id would take most of its time.
  let pool = new Uint8Array(0);
  let used = POOL_BYTES;
  return (after) => {
    const ms = Math.max(now(), after === undefined ? 0 : uuidTime(after) + 1);
    if (ms > lastMs) {
      lastMs = ms;
      counter = 0;
    } else if (++counter > 0xfff) {
      lastMs += 1;
      counter = 0;
    }
    if (used === POOL_BYTES) {
      pool = random.bytes(POOL_BYTES);
      used = 0;
    }
    pool[used] = ((pool[used] ?? 0) & 0x3f) | 0x80;
    let hex = '';
    for (const end = used + 8; used < end; used += 1) hex += HEX[pool[used] ?? 0];
    const time = lastMs.toString(16).padStart(12, '0');
    return `${time.slice(0, 8)}-${time.slice(8)}-7${counter.toString(16).padStart(3, '0')}-${hex.slice(0, 4)}-${hex.slice(4)}`;
  };
}

/** Returns the time of a UUIDv7 in milliseconds; 0 for an invalid one or one of the far future. */
export function uuidTime(uuid: string): number {
  const ms = Number.parseInt(uuid.slice(0, 8) + uuid.slice(9, 13), 16);
  return ms < MAX_MS ? ms : 0;
}

/** Generates UUIDs with the system clock and random source. */
export const uuidv7 = uuidv7Generator(Date.now, systemRandom);
