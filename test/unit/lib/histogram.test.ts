import { expect, test } from 'vitest';
import { Histogram } from '../../../src/lib/histogram.ts';

test('values are counted up to each bound, and a value that equals a bound belongs to it', () => {
  const histogram = new Histogram([1, 2.5, 10]);
  expect(histogram.cumulative).toEqual([0, 0, 0, 0]);
  for (const value of [0, 1, 1.5, 2.5, 10, 11]) histogram.observe(value);
  expect(histogram.cumulative).toEqual([2, 4, 5, 6]);
  expect(histogram.sum).toBe(26);
});
