import { expect, test } from 'vitest';
import { KeyedLimit, SlidingWindow } from '../../../../../src/server/services/limits/rate-limit.ts';
import { TokenBucket } from '../../../../../src/lib/token-bucket.ts';

test('a bucket allows its burst at once and then refills', () => {
  const bucket = new TokenBucket({ burst: 2, perSecond: 10 }, 0);
  expect([bucket.take(0), bucket.take(0), bucket.take(0)]).toEqual([0, 0, 100]);
  expect(bucket.take(50)).toBe(50);
  expect(bucket.take(100)).toBe(0);
});

test('a bucket never exceeds its burst', () => {
  const bucket = new TokenBucket({ burst: 2, perSecond: 10 }, 0);
  const taken = Array.from({ length: 3 }, () => bucket.take(1_000_000));
  expect(taken).toEqual([0, 0, 100]);
});

test('a larger cost takes more tokens, at most the burst', () => {
  const bucket = new TokenBucket({ burst: 10, perSecond: 10 }, 0);
  expect([bucket.take(0, 8), bucket.take(0, 8)]).toEqual([0, 600]);
  expect(bucket.take(600, 8)).toBe(0);
  expect([bucket.take(600, 1_000), bucket.take(1_600, 1_000)]).toEqual([1_000, 0]);
});

test("a clock that steps back doesn't refill a bucket", () => {
  const bucket = new TokenBucket({ burst: 1, perSecond: 1 }, 10_000);
  expect([bucket.take(10_000), bucket.take(5_000), bucket.take(5_500)]).toEqual([0, 1_000, 500]);
});

test('a sliding window never allows more than its limit in any window', () => {
  const window = new SlidingWindow({ maxMessages: 2, windowSeconds: 1 });
  expect([window.take(0), window.take(900), window.take(950)]).toEqual([0, 0, 50]);
  expect([window.take(1_000), window.take(1_001)]).toEqual([0, 899]);
});

test('each key has its own limit, and a rejection contains retryAfterMs', () => {
  let now = 0;
  const limit = new KeyedLimit(
    (at) => new TokenBucket({ burst: 1, perSecond: 1 }, at),
    () => now,
  );
  limit.take('alice');
  limit.take('bob');
  expect(() => limit.take('alice')).toThrow(expect.objectContaining({ code: 'RATE_LIMITED', retryAfterMs: 1_000 }));
  now = 1_000;
  expect(() => limit.take('alice')).not.toThrow();
});

test('above the maximum number of keys, the key added first is evicted', () => {
  const limit = new KeyedLimit(
    (at) => new TokenBucket({ burst: 1, perSecond: 1 }, at),
    () => 0,
    2,
  );
  for (const key of ['a', 'b', 'c']) limit.take(key);
  expect([limit.tryTake('b'), limit.tryTake('c')]).toEqual([1_000, 1_000]);
  expect(limit.tryTake('a')).toBe(0);
});

test('limits in their initial state are discarded', () => {
  let now = 0;
  let made = 0;
  const limit = new KeyedLimit(
    (at) => {
      made += 1;
      return new TokenBucket({ burst: 1, perSecond: 1 }, at);
    },
    () => now,
  );
  for (let user = 0; user < 1_000; user += 1) limit.take(`user ${user}`);
  now = 60_000;
  for (let user = 0; user < 100; user += 1) limit.take(`later ${user}`);
  const before = made;
  limit.take('user 0');
  expect(made).toBe(before + 1);
});
