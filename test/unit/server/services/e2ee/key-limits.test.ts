import { expect, test } from 'vitest';
import { KeyLimits } from '../../../../../src/server/services/e2ee/key-limits.ts';
import { manualClock } from '../../../../helpers/manual-clock.ts';

const HOUR_MS = 3_600_000;

function taken(limits: KeyLimits, times: number, caller: (index: number) => string): number {
  return Array.from({ length: times }, (_, index) => limits.tryTakeOneTimePreKey(caller(index), 'owner', false)).filter(
    Boolean,
  ).length;
}

test('one caller takes fifty one-time prekeys of a user, then one per hour', () => {
  const clock = manualClock();
  const limits = new KeyLimits(clock);
  expect(taken(limits, 60, () => 'caller')).toBe(50);
  expect(limits.tryTakeOneTimePreKey('caller', 'another user', false)).toBe(true);
  clock.advance(HOUR_MS - 1_000);
  expect(limits.tryTakeOneTimePreKey('caller', 'owner', false)).toBe(false);
  clock.advance(1_001);
  expect(taken(limits, 2, () => 'caller')).toBe(1);
});

test('all callers together take a hundred one-time prekeys of a user, then one every six seconds', () => {
  const clock = manualClock();
  const limits = new KeyLimits(clock);
  expect(taken(limits, 200, (index) => `caller ${index}`)).toBe(100);
  clock.advance(6_000);
  expect(taken(limits, 10, (index) => `later ${index}`)).toBe(1);
});

test('strangers take nothing from the shared limit of users whom the owner knows', () => {
  const limits = new KeyLimits(manualClock());
  expect(taken(limits, 200, (index) => `stranger ${index}`)).toBe(100);
  expect(limits.tryTakeOneTimePreKey('friend', 'owner', true)).toBe(true);
});

test('a caller over its own limit takes nothing from the shared limit', () => {
  const limits = new KeyLimits(manualClock());
  taken(limits, 1_000, () => 'greedy');
  expect(taken(limits, 200, (index) => `caller ${index}`)).toBe(50);
});

test('distinct pairs of ids have distinct limits', () => {
  const limits = new KeyLimits(manualClock());
  for (let index = 0; index < 50; index += 1) limits.tryTakeOneTimePreKey('a","b', 'c', false);
  expect(limits.tryTakeOneTimePreKey('a', 'b","c', false)).toBe(true);
});

test('uploads, requests and envelopes of a large group are within the limits', () => {
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
