/** Randomness as a dependency, so that tests can fix it. */
export interface RandomSource {
  /** Returns a number from 0 (inclusive) to 1 (exclusive). For jitter only: not suitable for secrets. */
  number(): number;
  /** Returns `length` bytes of a cryptographically secure generator. */
  bytes(length: number): Uint8Array<ArrayBuffer>;
}

/** The random source of the platform. */
export const systemRandom: RandomSource = {
  number: () => Math.random(),
  bytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
};
