import { describe, expect, test } from 'vitest';
import {
  DEFAULT_LIMITS,
  resolveLimits,
  type ServerLimits,
} from '../../../../../src/server/services/limits/server-limits.ts';
import { TokenBucket } from '../../../../../src/lib/token-bucket.ts';

const NAMES = Object.keys(DEFAULT_LIMITS) as (keyof ServerLimits)[];

describe('resolveLimits', () => {
  test('applies a default to every absent value', () => {
    expect(resolveLimits(undefined)).toEqual(DEFAULT_LIMITS);
    expect(resolveLimits({})).toEqual(DEFAULT_LIMITS);
    expect(resolveLimits({ groupSize: undefined } as unknown as Partial<ServerLimits>)).toEqual(DEFAULT_LIMITS);
  });

  test('keeps the given values', () => {
    const limits = resolveLimits({ groupSize: 10_000, messages: { burst: 5, perSecond: 0.5 } });
    expect(limits).toEqual({ ...DEFAULT_LIMITS, groupSize: 10_000, messages: { burst: 5, perSecond: 0.5 } });
  });

  test('the defaults are valid values', () => {
    expect(resolveLimits(DEFAULT_LIMITS)).toEqual(DEFAULT_LIMITS);
  });

  test.each<[name: string, limits: Record<string, unknown>]>([
    ['limits.connections must be a whole number of at least 1; got 0', { connections: 0 }],
    ['limits.socketsPerUser must be a whole number of at least 1; got 1.5', { socketsPerUser: 1.5 }],
    ['limits.frameBytes must be a whole number of at least 1; got Infinity', { frameBytes: Number.POSITIVE_INFINITY }],
    ['limits.groupSize must be a whole number from 1 to 10000; got 10001', { groupSize: 10_001 }],
    ['limits.readTimeoutMs must be a whole number from 1 to 2147483647; got 2147483648', { readTimeoutMs: 2 ** 31 }],
    ['limits.messages must be an object with burst and perSecond', { messages: 20 }],
    ['limits.messages.burst must be a whole number of at least 1; got undefined', { messages: { perSecond: 1 } }],
    ['limits.messages.perSecond must be a number above 0; got 0', { messages: { burst: 1, perSecond: 0 } }],
    ['Unknown limit "socketPerUser": did you mean "socketsPerUser"?', { socketPerUser: 1 }],
    ['Unknown limit "zzz": must be one of', { zzz: 1 }],
    ['Unknown limit "constructor"', { constructor: 1 }],
  ])('throws a TypeError: %s', (message, limits) => {
    expect(() => resolveLimits(limits as Partial<ServerLimits>)).toThrow(TypeError);
    expect(() => resolveLimits(limits as Partial<ServerLimits>)).toThrow(message);
  });

  test.each([null, true, 5, 'none'])('throws a TypeError for %j in place of limits', (limits) => {
    expect(() => resolveLimits(limits as unknown as false)).toThrow('limits must be an object or false');
  });

  test('false raises every limit above its default, and every value remains valid', () => {
    const limits = resolveLimits(false);
    expect(resolveLimits(limits)).toEqual(limits);
    const kept = NAMES.filter((name) => limits[name] === DEFAULT_LIMITS[name]);
    expect(kept).toEqual(['logIntervalMs']);
    const bucket = new TokenBucket(limits.requests, 0);
    expect(bucket.take(0, 1_000_000)).toBe(0);
    expect(bucket.take(0, 1_000_000)).toBe(0);
  });
});
