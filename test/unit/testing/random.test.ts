import { expect, test } from 'vitest';
import { seededRandom } from '../../../src/testing/random.ts';

const some = (seed: number, name?: string): number[] => {
  const random = name === undefined ? seededRandom(seed) : seededRandom(seed).fork(name);
  return Array.from({ length: 1_000 }, () => random.next());
};

test('the same seed gives the same numbers, another seed others', () => {
  expect(some(7)).toEqual(some(7));
  expect(some(7)).not.toEqual(some(8));
});

test('a fork depends on seed and name alone, however much was taken before', () => {
  const random = seededRandom(7);
  random.next();
  expect(random.fork('ann').next()).toBe(some(7, 'ann')[0]);
  expect(some(7, 'ann')).not.toEqual(some(7, 'bob'));
});

test('numbers spread evenly from 0 up to, and without, 1', () => {
  const tenths = Array.from({ length: 10 }, () => 0);
  const random = seededRandom(1);
  for (let drawn = 0; drawn < 10_000; drawn += 1) {
    const at = Math.floor(random.next() * 10);
    tenths[at] = (tenths[at] ?? 0) + 1;
  }
  expect(tenths).toHaveLength(10);
  for (const count of tenths) expect(Math.abs(count - 1_000)).toBeLessThan(150);
});

test('whole numbers include both ends, and nothing beyond', () => {
  const random = seededRandom(3);
  const drawn = new Set(Array.from({ length: 200 }, () => random.between(2, 5)));
  expect([...drawn].toSorted((a, b) => a - b)).toEqual([2, 3, 4, 5]);
});

test('picking from nothing is a mistake', () => {
  expect(() => seededRandom(1).pick([])).toThrow(RangeError);
});
