import { expect, test } from 'vitest';
import { runSeed } from './scenario.ts';

/** `npm run soak -- --seeds 500` runs more seeds. */
test.each([1, 2])('with seed %i, every client has every change once and in order despite all faults', async (seed) => {
  const { problems, figures } = await runSeed(seed);
  expect(problems).toEqual([]);
  expect(figures['stored']).toBeGreaterThanOrEqual(1_000);
  expect(figures['kills']).toBeGreaterThan(0);
});
