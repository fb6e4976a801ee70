import { expect, test } from 'vitest';
import { nearest } from '../../../src/lib/nearest.ts';

const NAMES = ['message:new', 'message:updated', 'message:deleted', 'status', 'error', 'call'];

test.each([
  ['message:update', 'message:updated'],
  ['mesage:new', 'message:new'],
  ['Status', 'status'],
  ['errors', 'error'],
  ['calls', 'call'],
])('%s is most similar to %s', (word, expected) => {
  expect(nearest(word, NAMES)).toBe(expected);
});

test.each(['', 'x', 'presence', 'typing:start'])('nothing is similar to "%s"', (word) => {
  expect(nearest(word, NAMES)).toBeUndefined();
});

test('the first of equally similar candidates is taken', () => {
  expect(nearest('bat', ['cat', 'rat'])).toBe('cat');
});
