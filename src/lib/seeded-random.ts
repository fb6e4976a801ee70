/** A reproducible pseudo-random number generator: the same seed yields the same sequence everywhere. Not for secrets. */
export interface Random {
  /** Returns a number in the range [0, 1). */
  next(): number;
  /** Returns an integer in the range [`min`, `max`]. */
  between(min: number, max: number): number;
  /** Returns `true` with the given probability (0 to 1). */
  chance(probability: number): boolean;
  /**
   * Returns a random element of `items`.
   *
   * @throws RangeError if `items` is empty
   */
  pick<T>(items: readonly T[]): T;
  /**
   * Returns an independent generator derived from this generator's seed and `name`. The numbers already taken from this
   * generator don't affect it.
   */
  fork(name: string): Random;
}

/**
 * Creates a generator with a period of 2^32: a Weyl sequence (golden-ratio increment) passed through a 32-bit hash.
 *
 * @param seed - an integer; only the lowest 32 bits are used
 */
export function seededRandom(seed: number): Random {
  const start = seed >>> 0;
  let state = start;
  const next = (): number => {
    state = (state + 0x9e37_79b9) >>> 0;
    return scramble(state) / 2 ** 32;
  };
  const between = (min: number, max: number): number => min + Math.floor(next() * (max - min + 1));
  return {
    next,
    between,
    chance: (probability) => next() < probability,
    pick(items) {
      const at = between(0, items.length - 1);
      if (!(at in items)) throw new RangeError('items must not be empty');
      return items[at] as (typeof items)[number];
    },
    fork(name) {
      let mixed = scramble(start ^ 0x5bd1_e995);
      for (const character of name) mixed = scramble(mixed ^ (character.codePointAt(0) ?? 0));
      return seededRandom(mixed);
    },
  };
}

/** 32-bit integer hash with full avalanche: each input bit flips each output bit with a probability of about 1/2. */
function scramble(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x21f0_aaad);
  hash = Math.imul(hash ^ (hash >>> 15), 0x735a_2d97);
  return (hash ^ (hash >>> 15)) >>> 0;
}
