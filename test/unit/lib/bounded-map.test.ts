import { expect, test } from 'vitest';
import { BoundedMap, BoundedSet } from '../../../src/lib/bounded-map.ts';

test('a bounded map evicts the entry that was added first', () => {
  const map = new BoundedMap<string, number>(2);
  map.set('a', 1).set('b', 2).set('a', 3).set('c', 4);
  expect([...map]).toEqual([
    ['b', 2],
    ['c', 4],
  ]);
});

test('a bounded set evicts the value that was added first', () => {
  const set = new BoundedSet<string>(2);
  for (const value of ['a', 'b', 'a', 'c']) set.add(value);
  expect([...set]).toEqual(['b', 'c']);
  set.clear();
  expect(set.has('c')).toBe(false);
});
