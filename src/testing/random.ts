/** Numbers that follow from a seed: the same seed, the same numbers, on every machine. Not for secrets. */
export interface Random {
  /** From 0 up to, and without, 1. */
  next(): number;
  /** A whole number from `min` to `max`, both included. */
  between(min: number, max: number): number;
  /** True in about this share of the calls, 0 to 1. */
  chance(share: number): boolean;
  /** @throws RangeError for an empty list */
  pick<T>(items: readonly T[]): T;
  /** Another sequence that depends on this seed and `name` alone, however much was taken from this one. */
  fork(name: string): Random;
}

/** A counter that walks in steps of the golden ratio, and a hash of it: 2^32 numbers before it repeats. */
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
    chance: (share) => next() < share,
    pick(items) {
      const at = between(0, items.length - 1);
      if (!(at in items)) throw new RangeError('There is nothing to pick from');
      return items[at] as (typeof items)[number];
    },
    fork(name) {
      let mixed = scramble(start ^ 0x5bd1_e995);
      for (const character of name) mixed = scramble(mixed ^ (character.codePointAt(0) ?? 0));
      return seededRandom(mixed);
    },
  };
}

/** Every bit of the input moves about half of the bits of the output (a 32-bit avalanche hash). */
function scramble(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x21f0_aaad);
  hash = Math.imul(hash ^ (hash >>> 15), 0x735a_2d97);
  return (hash ^ (hash >>> 15)) >>> 0;
}
