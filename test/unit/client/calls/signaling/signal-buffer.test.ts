import { expect, test } from 'vitest';
import { SignalBuffer } from '../../../../../src/client/calls/signaling/signal-buffer.ts';
import { manualClock } from '../../../../helpers/manual-clock.ts';

test('items are taken in the order they were added, once', () => {
  const buffer = new SignalBuffer<number>(manualClock());
  for (const n of [3, 1, 2]) buffer.push(n);
  expect(buffer.take((n) => n !== 1)).toEqual([3, 2]);
  expect(buffer.take()).toEqual([1]);
  expect(buffer.take()).toEqual([]);
});

test('a full buffer drops new items and keeps the first 256', () => {
  const buffer = new SignalBuffer<number>(manualClock());
  for (let n = 0; n < 1_000; n += 1) buffer.push(n);
  expect(buffer.take()).toEqual(Array.from({ length: 256 }, (_, n) => n));
});

test('items expire after a minute', () => {
  const clock = manualClock();
  const buffer = new SignalBuffer<number>(clock, 1);
  buffer.push(1);
  clock.advance(60_000);
  buffer.push(2);
  expect(buffer.take()).toEqual([1]);
  buffer.push(3);
  clock.advance(60_001);
  buffer.push(4);
  expect(buffer.take()).toEqual([4]);
});
