import { expect, test } from 'vitest';
import { seededRandom } from '../../../src/lib/seeded-random.ts';

const take = (seed: number, name?: string): number[] => {
  const random = name === undefined ? seededRandom(seed) : seededRandom(seed).fork(name);
  return Array.from({ length: 1_000 }, () => random.next());
};

test('equal seeds yield equal sequences, different seeds yield different ones', () => {
  expect(take(7)).toEqual(take(7));
  expect(take(7)).not.toEqual(take(8));
});

test('a fork depends on the seed and the name only, not on the numbers taken before', () => {
  const random = seededRandom(7);
  random.next();
  expect(random.fork('ann').next()).toBe(take(7, 'ann')[0]);
  expect(take(7, 'ann')).not.toEqual(take(7, 'bob'));
});

test('numbers are spread evenly over [0, 1)', () => {
  const tenths = Array.from({ length: 10 }, () => 0);
  const random = seededRandom(1);
  for (let drawn = 0; drawn < 10_000; drawn += 1) {
    const at = Math.floor(random.next() * 10);
    tenths[at] = (tenths[at] ?? 0) + 1;
  }
  expect(tenths).toHaveLength(10);
  for (const count of tenths) expect(Math.abs(count - 1_000)).toBeLessThan(150);
});

test('between() includes both ends and nothing beyond', () => {
  const random = seededRandom(3);
  const drawn = new Set(Array.from({ length: 200 }, () => random.between(2, 5)));
  expect([...drawn].toSorted((a, b) => a - b)).toEqual([2, 3, 4, 5]);
});

test('pick() throws a RangeError for an empty list', () => {
  expect(() => seededRandom(1).pick([])).toThrow(RangeError);
});
