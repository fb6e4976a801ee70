import { expect, test } from 'vitest';
import { isSameSnapshot } from '../../../src/lib/same-snapshot.ts';

const message = { id: '1' };

test.each<[title: string, one: object, other: object, isSame: boolean]>([
  ['identical values', { a: 1, b: message }, { a: 1, b: message }, true],
  ['another value', { a: 1 }, { a: 2 }, false],
  ['an equal object that is not identical', { a: message }, { a: { id: '1' } }, false],
  ['lists of identical items', { a: [message] }, { a: [message] }, true],
  ['lists of different lengths', { a: [message] }, { a: [message, message] }, false],
  ['lists of other items', { a: [message] }, { a: [{ id: '1' }] }, false],
  ['an absent field and one that is undefined', { a: 1 }, { a: 1, b: undefined }, true],
  ['a field that only one has', { a: 1, b: 2 }, { a: 1 }, false],
])('%s', (_title, one, other, isSame) => {
  expect(isSameSnapshot(one, other)).toBe(isSame);
  expect(isSameSnapshot(other, one)).toBe(isSame);
});
