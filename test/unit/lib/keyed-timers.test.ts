import { expect, test } from 'vitest';
import { KeyedTimers } from '../../../src/lib/keyed-timers.ts';
import { manualClock } from '../../helpers/manual-clock.ts';

test('a timer that is set again replaces the earlier one, and none is left after clear()', () => {
  const clock = manualClock();
  const timers = new KeyedTimers<'a' | 'b'>(clock);
  const ran: string[] = [];
  timers.set('a', 10, () => ran.push('first'));
  timers.set('a', 20, () => ran.push('second'));
  timers.set('b', 30, () => ran.push('b'));
  clock.advance(20);
  expect([ran, timers.has('a'), timers.has('b')]).toEqual([['second'], false, true]);
  timers.clear();
  clock.advance(100);
  expect([ran, clock.pending]).toEqual([['second'], 0]);
});

test('cancel() says whether a timer was running', () => {
  const clock = manualClock();
  const timers = new KeyedTimers<string>(clock);
  timers.set('a', 10, () => undefined);
  expect([timers.cancel('a'), timers.cancel('a'), clock.pending]).toEqual([true, false, 0]);
});

test('a task can set its own timer again', () => {
  const clock = manualClock();
  const timers = new KeyedTimers<string>(clock);
  let ran = 0;
  const again = (): void => {
    ran += 1;
    if (ran < 3) timers.set('a', 10, again);
  };
  timers.set('a', 10, again);
  clock.advance(100);
  expect(ran).toBe(3);
});
