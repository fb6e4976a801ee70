const POOL_BYTES = 1_024;
/** The year 6429: far enough from the last one that 48 bits can name. */
const MAX_MS = 2 ** 47;
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/**
 * UUID version 7 (RFC 9562, section 5.7): milliseconds first, so ids made later sort later. Within a millisecond a
 * counter in `rand_a` keeps the order (section 6.2, method 1), also when the clock steps back. Asked for an id `after`
 * another, it makes that one and all that follow later than it.
 */
export function uuidv7Generator(
  now: () => number,
  fillRandom: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array,
): (after?: string) => string {
  let lastMs = 0;
  let counter = 0;
  // Random bytes are asked for in bulk: one call for each id would cost more than all the rest of it.
  const pool = new Uint8Array(POOL_BYTES);
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
      fillRandom(pool);
      used = 0;
    }
    pool[used] = ((pool[used] ?? 0) & 0x3f) | 0x80;
    let hex = '';
    for (const end = used + 8; used < end; used += 1) hex += HEX[pool[used] ?? 0];
    const time = lastMs.toString(16).padStart(12, '0');
    return `${time.slice(0, 8)}-${time.slice(8)}-7${counter.toString(16).padStart(3, '0')}-${hex.slice(0, 4)}-${hex.slice(4)}`;
  };
}

/** When a UUIDv7 was made, in milliseconds; what is none, or of the far future, is as old as can be. */
export function uuidTime(uuid: string): number {
  const ms = Number.parseInt(uuid.slice(0, 8) + uuid.slice(9, 13), 16);
  return ms < MAX_MS ? ms : 0;
}

export const uuidv7 = uuidv7Generator(Date.now, (bytes) => crypto.getRandomValues(bytes));
