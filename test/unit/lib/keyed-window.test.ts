import { expect, test } from 'vitest';
import { KeyedWindow } from '../../../src/lib/keyed-window.ts';
import { manualClock } from '../../helpers/manual-clock.ts';

function setUp() {
  const clock = manualClock();
  const passed: string[] = [];
  const ended: string[] = [];
  const window = new KeyedWindow<number>(
    clock,
    100,
    (key, items) => passed.push(`${key}: ${items.join(' ')}`),
    (key) => ended.push(`${key} after ${passed.length}`),
  );
  return { clock, passed, ended, window };
}

test('the first items of a key are passed on at once, those that follow together at the end of the interval', () => {
  const { clock, passed, ended, window } = setUp();
  window.add('a', [1, 2]);
  expect(passed).toEqual(['a: 1 2']);
  window.add('a', [3]);
  clock.advance(50);
  window.add('a', [4, 5]);
  expect([passed.length, ended.length]).toEqual([1, 0]);
  clock.advance(50);
  expect(passed).toEqual(['a: 1 2', 'a: 3 4 5']);
  expect(ended).toEqual(['a after 1']);
  clock.advance(100);
  expect(ended).toEqual(['a after 1', 'a after 2']);
});

test('every interval with items starts the next one; after one without, items are passed on at once again', () => {
  const { clock, passed, window } = setUp();
  window.add('a', [1]);
  window.add('a', [2]);
  clock.advance(100);
  window.add('a', [3]);
  expect(passed).toEqual(['a: 1', 'a: 2']);
  clock.advance(100);
  clock.advance(100);
  expect([passed.length, clock.pending]).toEqual([3, 0]);
  window.add('a', [4]);
  expect(passed.at(-1)).toBe('a: 4');
});

test('keys do not affect each other, and no items start no interval', () => {
  const { clock, passed, window } = setUp();
  window.add('a', []);
  expect(clock.pending).toBe(0);
  window.add('a', [1]);
  window.add('b', [2]);
  expect(passed).toEqual(['a: 1', 'b: 2']);
});

test('what waits can be dropped', () => {
  const { clock, passed, window } = setUp();
  window.add('a', [1]);
  window.add('a', [2]);
  window.clear();
  expect(clock.pending).toBe(0);
  clock.advance(1_000);
  expect(passed).toEqual(['a: 1']);
});
