import { describe, expect, test } from 'vitest';
import type { LimitUse, SharedLimits } from '../../../../../src/server/cluster/ephemera.ts';
import { keyedBuckets, KeyedLimit, SlidingWindow } from '../../../../../src/server/services/limits/rate-limit.ts';
import type { RateLimit } from '../../../../../src/server/services/limits/server-limits.ts';
import { manualClock } from '../../../../helpers/manual-clock.ts';
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
    { maxKeys: 2 },
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

describe('shared with other processes', () => {
  /** Two other processes, and what this one has reported. */
  class Others implements SharedLimits {
    connected = true;
    processes = 3;
    readonly reports: { use: LimitUse; left: (tokens: number) => void }[] = [];

    spend(use: LimitUse, left: (tokens: number) => void): void {
      this.reports.push({ use, left });
    }

    count(): void {
      throw new Error('Nothing is counted');
    }

    countElsewhere(): number {
      return 0;
    }
  }

  const clock = manualClock(0);
  const shared = (rate: RateLimit): { limit: KeyedLimit; others: Others } => {
    const others = new Others();
    return { limit: keyedBuckets('name', () => rate, clock, others), others };
  };

  test('an eighth of the burst is reported at once, and less is not', () => {
    const { limit, others } = shared({ burst: 80, perSecond: 1 });
    for (let count = 0; count < 9; count += 1) limit.take('alice');
    expect(others.reports).toEqual([]);
    limit.take('alice', 3);
    limit.take('bob', 1_000);
    expect(others.reports.map(({ use }) => [use.key, use.tokens])).toEqual([
      ['name:alice', 12],
      ['name:bob', 80],
    ]);
  });

  test('what all processes together have overused is refused until it is refilled', () => {
    const { limit, others } = shared({ burst: 4, perSecond: 2 });
    limit.take('alice');
    others.reports[0]?.left(-3);
    expect(limit.tryTake('alice')).toBe(1_500);
    expect(limit.tryTake('bob')).toBe(0);
    clock.advance(1_500);
    expect(limit.tryTake('alice')).toBe(0);
  });

  test('without the others, each process takes its share', () => {
    const { limit, others } = shared({ burst: 9, perSecond: 3 });
    others.connected = false;
    expect([0, 1, 2, 3].map(() => limit.tryTake('alice'))).toEqual([0, 0, 0, 1_000]);
    expect(others.reports).toEqual([]);
  });

  test('a share of a window is a share of its messages', () => {
    const others = Object.assign(new Others(), { connected: false });
    const rate = { maxMessages: 6, windowSeconds: 1 };
    const limit = new KeyedLimit(
      () => new SlidingWindow(rate),
      () => clock.now(),
      { sharing: { name: 'name', rate: () => ({ burst: 6, perSecond: 6 }), with: others } },
    );
    expect([0, 1, 2].map(() => limit.tryTake('alice'))).toEqual([0, 0, 1_000]);
  });

  test('a process that is alone reports nothing', () => {
    const { limit, others } = shared({ burst: 1, perSecond: 1 });
    others.processes = 1;
    limit.take('alice');
    expect(others.reports).toEqual([]);
  });
});
