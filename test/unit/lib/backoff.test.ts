import { expect, test } from 'vitest';
import { backoffMs } from '../../../src/lib/backoff.ts';
import { fc } from '../../helpers/property.ts';

const options = { baseMs: 500, maxMs: 30_000 };

test.each<[attempt: number, random: number, wait: number]>([
  [0, 0, 1],
  [0, 0.5, 250],
  [1, 0.5, 500],
  [2, 0.5, 1_000],
  [5, 0.5, 8_000],
  [6, 0.5, 15_000],
  [100, 0.5, 15_000],
])('attempt %i with the random number %d waits %i ms', (attempt, random, wait) => {
  expect(backoffMs(attempt, random, options)).toBe(wait);
});

test('a wait is never shorter than 1 ms, longer than the maximum, or past the doubled ceiling', () => {
  fc.assert(
    fc.property(
      fc.nat(),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      fc.integer({ min: 1, max: 10_000 }),
      fc.integer({ min: 1, max: 600_000 }),
      (attempt, random, baseMs, maxMs) => {
        const wait = backoffMs(attempt, random, { baseMs, maxMs });
        expect(Number.isSafeInteger(wait)).toBe(true);
        expect(wait).toBeGreaterThanOrEqual(1);
        expect(wait).toBeLessThanOrEqual(Math.min(maxMs, baseMs * 2 ** attempt));
      },
    ),
  );
});

test('with the same random number a later attempt never waits shorter', () => {
  fc.assert(
    fc.property(fc.nat(60), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (attempt, random) => {
      expect(backoffMs(attempt + 1, random, options)).toBeGreaterThanOrEqual(backoffMs(attempt, random, options));
    }),
  );
});
