import { expect, test } from 'vitest';
import { uuidTime, uuidv7, uuidv7Generator } from '../../../src/lib/ids.ts';
import { fc } from '../../helpers/property.ts';

const UUID_V7 = /^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/;

const millisecondsOf = (id: string): number => Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16);
const fill = (byte: number) => ({ bytes: (length: number) => new Uint8Array(length).fill(byte) });

test('an id consists of the time, version, counter, variant and random bits', () => {
  const next = uuidv7Generator(() => 0x01_93_52_ab_cd_ef, fill(0x7f));
  expect(next()).toBe('019352ab-cdef-7000-bf7f-7f7f7f7f7f7f');
  expect(next()).toBe('019352ab-cdef-7001-bf7f-7f7f7f7f7f7f');
});

test.each([0x00, 0x3f, 0x40, 0x80, 0xff])('the variant is set for any random bytes (0x%i)', (byte) => {
  expect(uuidv7Generator(() => 1, fill(byte))()).toMatch(UUID_V7);
});

test('later ids sort later, also when the clock is changed', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -20, max: 20 }), { minLength: 2, maxLength: 200 }), (steps) => {
      let now = 1_700_000_000_000;
      const next = uuidv7Generator(() => now, fill(0));
      const ids = steps.map((step) => {
        now += step;
        return next();
      });
      expect(ids).toEqual(ids.toSorted());
      expect(new Set(ids).size).toBe(ids.length);
      for (const id of ids) expect(id).toMatch(UUID_V7);
    }),
  );
});

test('ids of one millisecond keep their order beyond the counter, and their time stays close', () => {
  const now = 1_700_000_000_000;
  const next = uuidv7Generator(() => now, fill(0xff));
  const ids = Array.from({ length: 10_000 }, next);
  expect(ids).toEqual(ids.toSorted());
  expect(new Set(ids).size).toBe(ids.length);
  expect(millisecondsOf(ids[0] ?? '')).toBe(now);
  expect(millisecondsOf(ids.at(-1) ?? '')).toBe(now + 2);
});

test('ids continue from the latest time when the clock is set back', () => {
  let now = 5_000;
  const next = uuidv7Generator(() => now, fill(0));
  const before = next();
  now = 1_000;
  const after = next();
  expect(after > before).toBe(true);
  expect(millisecondsOf(after)).toBe(5_000);
  now = 6_000;
  expect(millisecondsOf(next())).toBe(6_000);
});

test('the default generator creates different ids with the current time', () => {
  const before = Date.now();
  const ids = Array.from({ length: 1_000 }, uuidv7);
  expect(new Set(ids).size).toBe(1_000);
  for (const id of ids) expect(id).toMatch(UUID_V7);
  expect(millisecondsOf(ids[0] ?? '')).toBeGreaterThanOrEqual(before);
});

test('an id can be generated after a given one, and all later ids sort after both', () => {
  const next = uuidv7Generator(() => 1_700_000_000_000, fill(0));
  const ahead = uuidv7Generator(() => 1_800_000_000_000, fill(0xff))();
  const ids = [next(), ahead, next(ahead), next(), next()];
  expect(ids).toEqual(ids.toSorted());
  expect(new Set(ids).size).toBe(ids.length);
});

test.each(['', 'zebra', 'ffffffff-ffff-7000-8000-000000000000'])(
  'an invalid id or one of the far future (%j) does not affect the time',
  (after) => {
    const now = 1_700_000_000_000;
    expect(uuidTime(uuidv7Generator(() => now, fill(0))(after))).toBe(now);
  },
);
