import { expect, test } from 'vitest';
import { Early } from '../../../../src/client/calls/early.ts';
import { held } from '../../../../src/client/calls/held.ts';
import { Timers } from '../../../../src/client/calls/timers.ts';
import { manualClock } from '../../../helpers/manual-clock.ts';

test('what came early is taken in the order it came, once', () => {
  const early = new Early<number>(manualClock());
  for (const n of [3, 1, 2]) early.keep(n);
  expect(early.take((n) => n !== 1)).toEqual([3, 2]);
  expect(early.take()).toEqual([1]);
  expect(early.take()).toEqual([]);
});

test('more than 256 are not kept: the first ones connect', () => {
  const early = new Early<number>(manualClock());
  for (let n = 0; n < 1_000; n += 1) early.keep(n);
  expect(early.take()).toEqual(Array.from({ length: 256 }, (_, n) => n));
});

test('after a minute it is gone, and makes room', () => {
  const clock = manualClock();
  const early = new Early<number>(clock, 1);
  early.keep(1);
  clock.advance(60_000);
  early.keep(2);
  expect(early.take()).toEqual([1]);
  early.keep(3);
  clock.advance(60_001);
  early.keep(4);
  expect(early.take()).toEqual([4]);
});

test('a timer that is armed again has moved, and none is left when they are cleared', () => {
  const clock = manualClock();
  const timers = new Timers<'a' | 'b'>(clock);
  const ran: string[] = [];
  timers.arm('a', 10, () => ran.push('first'));
  timers.arm('a', 20, () => ran.push('second'));
  timers.arm('b', 30, () => ran.push('b'));
  expect(held.timers).toBe(2);
  clock.advance(20);
  expect(ran).toEqual(['second']);
  timers.clear();
  clock.advance(100);
  expect(ran).toEqual(['second']);
  expect([held.timers, clock.pending]).toEqual([0, 0]);
});

test('a timer can arm itself again', () => {
  const clock = manualClock();
  const timers = new Timers<'a'>(clock);
  let ran = 0;
  const again = (): void => {
    ran += 1;
    if (ran < 3) timers.arm('a', 10, again);
  };
  timers.arm('a', 10, again);
  clock.advance(100);
  expect([ran, held.timers]).toEqual([3, 0]);
});
