import { expect, test } from 'vitest';
import { KeyLimits } from '../../../src/server/services/key-limits.ts';
import { manualClock } from '../../helpers/manual-clock.ts';

const HOUR_MS = 3_600_000;

function taken(limits: KeyLimits, times: number, caller: (index: number) => string): number {
  return Array.from({ length: times }, (_, index) => limits.mayTake(caller(index), 'owner')).filter(Boolean).length;
}

test('one caller takes fifty, and one an hour after that', () => {
  const clock = manualClock();
  const limits = new KeyLimits(clock);
  expect(taken(limits, 60, () => 'caller')).toBe(50);
  expect(limits.mayTake('caller', 'somebody else')).toBe(true);
  clock.advance(HOUR_MS - 1_000);
  expect(limits.mayTake('caller', 'owner')).toBe(false);
  clock.advance(1_001);
  expect(taken(limits, 2, () => 'caller')).toBe(1);
});

test('many callers together take a hundred, and one every six seconds after that', () => {
  const clock = manualClock();
  const limits = new KeyLimits(clock);
  expect(taken(limits, 200, (index) => `caller ${index}`)).toBe(100);
  clock.advance(6_000);
  expect(taken(limits, 10, (index) => `later ${index}`)).toBe(1);
});

test('a caller who may not takes nothing of what is for all', () => {
  const limits = new KeyLimits(manualClock());
  taken(limits, 1_000, () => 'greedy');
  expect(taken(limits, 200, (index) => `caller ${index}`)).toBe(50);
});

test('two pairs of ids are never taken for one', () => {
  const limits = new KeyLimits(manualClock());
  for (let index = 0; index < 50; index += 1) limits.mayTake('a","b', 'c');
  expect(limits.mayTake('a', 'b","c')).toBe(true);
});

test('everybody may publish, ask and begin sessions as often as a large group needs', () => {
  const limits = new KeyLimits(manualClock());
  for (let index = 0; index < 2_000; index += 1) {
    limits.requests.take('caller');
    limits.envelopes.take('caller');
  }
  expect(() => limits.requests.take('caller')).toThrow(expect.objectContaining({ code: 'RATE_LIMITED' }));
  expect(() => limits.envelopes.take('caller')).toThrow(expect.objectContaining({ code: 'RATE_LIMITED' }));
  for (let index = 0; index < 20; index += 1) limits.uploads.take('caller');
  expect(() => limits.uploads.take('caller')).toThrow(expect.objectContaining({ retryAfterMs: 10_000 }));
});
