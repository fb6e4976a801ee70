import { expect, test } from 'vitest';
import { runSeed } from './scenario.ts';

/** `npm run soak -- --seeds 500` runs more of them. */
test.each([1, 2])('with seed %i, everybody has everything once and in order, whatever breaks', async (seed) => {
  const { problems, figures } = await runSeed(seed);
  expect(problems).toEqual([]);
  expect(figures['stored']).toBeGreaterThanOrEqual(1_000);
  expect(figures['kills']).toBeGreaterThan(0);
});
