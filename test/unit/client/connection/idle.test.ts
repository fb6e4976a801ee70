import { beforeEach, expect, test } from 'vitest';
import { watchIdle } from '../../../../src/client/connection/idle.ts';
import { manualClock, type ManualClock } from '../../../helpers/manual-clock.ts';

let clock: ManualClock;
let page: EventTarget & { visibilityState: string };
let told: unknown[];

beforeEach(() => {
  clock = manualClock();
  page = Object.assign(new EventTarget(), { visibilityState: 'visible' });
  told = [];
});
const input = (type: string): boolean => page.dispatchEvent(new Event(type));

test('a page without input becomes idle, and active at the next input', () => {
  watchIdle(page, clock, 1_000, (isIdle) => told.push(isIdle));
  clock.advance(999);
  expect(told).toEqual([]);
  clock.advance(1);
  expect(told).toEqual([true]);
  clock.advance(10_000);
  input('pointermove');
  expect(told).toEqual([true, false]);
  clock.advance(1_000);
  expect(told).toEqual([true, false, true]);
});

test.each(['pointerdown', 'pointermove', 'keydown', 'wheel', 'touchstart', 'focus'])('%s is input', (type) => {
  watchIdle(page, clock, 1_000, (isIdle) => told.push(isIdle));
  clock.advance(900);
  input(type);
  clock.advance(900);
  expect(told).toEqual([]);
  clock.advance(100);
  expect(told).toEqual([true]);
});

test('a thousand pointer events need one timer', () => {
  watchIdle(page, clock, 1_000, () => undefined);
  for (let count = 0; count < 1_000; count += 1) input('pointermove');
  expect(clock.pending).toBe(1);
});

test('stopping removes the listeners and the timer', () => {
  const stop = watchIdle(page, clock, 1_000, (isIdle) => told.push(isIdle));
  clock.advance(1_000);
  stop();
  input('keydown');
  clock.advance(10_000);
  expect(told).toEqual([true]);
  expect(clock.pending).toBe(0);
});
