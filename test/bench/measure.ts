import { setTimeout } from 'node:timers/promises';

/** Consecutive measurements of lumen-comm and the baseline, so that other load of the machine affects both. */
export interface Pair {
  readonly lumen: number;
  readonly baseline: number;
}

export interface Result {
  readonly name: string;
  readonly unit: 'ms' | 'µs' | 'KB';
  readonly pairs: readonly Pair[];
  /** Highest acceptable ratio. Absent if there is no target. */
  readonly target?: number | undefined;
}

export interface Summary {
  readonly name: string;
  readonly unit: string;
  /** Medians. */
  readonly lumen: number;
  readonly baseline: number;
  /** Median, lowest and highest ratio of the pairs. */
  readonly ratio: number;
  readonly lowest: number;
  readonly highest: number;
  readonly target: number | undefined;
  readonly met: boolean | undefined;
}

/**
 * Measures both sides alternately, in alternating order, after an uncounted warm-up round.
 *
 * @param restMs - pause after each measurement, so that deferred work of one server does not affect the other
 */
export async function inPairs(
  rounds: number,
  measure: (side: 'lumen' | 'baseline') => Promise<number>,
  restMs = 0,
): Promise<Pair[]> {
  const pairs: Pair[] = [];
  for (let round = -1; round < rounds; round += 1) {
    const taken = { lumen: 0, baseline: 0 };
    const order = round % 2 === 0 ? (['lumen', 'baseline'] as const) : (['baseline', 'lumen'] as const);
    for (const side of order) {
      taken[side] = await measure(side);
      await setTimeout(restMs);
    }
    if (round >= 0) pairs.push(taken);
  }
  return pairs;
}

export function summarize({ name, unit, pairs, target }: Result): Summary {
  const ratios = pairs.map(({ lumen, baseline }) => lumen / baseline);
  const ratio = median(ratios);
  return {
    name,
    unit,
    lumen: median(pairs.map(({ lumen }) => lumen)),
    baseline: median(pairs.map(({ baseline }) => baseline)),
    ratio,
    lowest: Math.min(...ratios),
    highest: Math.max(...ratios),
    target,
    met: target === undefined ? undefined : ratio <= target,
  };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}
