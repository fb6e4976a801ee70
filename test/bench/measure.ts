import { setTimeout } from 'node:timers/promises';

/** Ours and the floor, taken right after one another: what else the machine does meets both. */
export interface Pair {
  readonly ours: number;
  readonly floor: number;
}

export interface Result {
  readonly name: string;
  readonly unit: 'ms' | 'µs';
  readonly pairs: readonly Pair[];
  /** The most that ours may be of the floor; absent: measured without an aim. */
  readonly aim?: number | undefined;
}

export interface Summary {
  readonly name: string;
  readonly unit: string;
  /** Medians. */
  readonly ours: number;
  readonly floor: number;
  /** The median of the pairs' ratios, and the span of them. */
  readonly ratio: number;
  readonly lowest: number;
  readonly highest: number;
  readonly aim: number | undefined;
  readonly met: boolean | undefined;
}

/**
 * Runs `measure` on both sides in turn, changing who goes first, after one round that isn't counted.
 *
 * @param restMs - between any two: what a server puts off until it has time must not fall on the other side
 */
export async function inPairs(
  rounds: number,
  measure: (side: 'ours' | 'floor') => Promise<number>,
  restMs = 0,
): Promise<Pair[]> {
  const pairs: Pair[] = [];
  for (let round = -1; round < rounds; round += 1) {
    const taken = { ours: 0, floor: 0 };
    const order = round % 2 === 0 ? (['ours', 'floor'] as const) : (['floor', 'ours'] as const);
    for (const side of order) {
      taken[side] = await measure(side);
      await setTimeout(restMs);
    }
    if (round >= 0) pairs.push(taken);
  }
  return pairs;
}

export function summarize({ name, unit, pairs, aim }: Result): Summary {
  const ratios = pairs.map(({ ours, floor }) => ours / floor);
  const ratio = median(ratios);
  return {
    name,
    unit,
    ours: median(pairs.map(({ ours }) => ours)),
    floor: median(pairs.map(({ floor }) => floor)),
    ratio,
    lowest: Math.min(...ratios),
    highest: Math.max(...ratios),
    aim,
    met: aim === undefined ? undefined : ratio <= aim,
  };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}
