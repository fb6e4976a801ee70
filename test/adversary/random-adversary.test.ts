import { expect, test } from 'vitest';
import { runRandomAdversary } from './random-adversary.ts';

test.each([1, 2, 3])('two users survive a random adversary (seed %i)', async (seed) => {
  expect(await runRandomAdversary(['alice', 'bob'], 150, seed)).toMatchObject({ steps: 150 });
});

test.each([4, 5])('three users survive a random adversary (seed %i)', async (seed) => {
  expect(await runRandomAdversary(['alice', 'bob', 'cleo'], 150, seed)).toMatchObject({ steps: 150 });
});
