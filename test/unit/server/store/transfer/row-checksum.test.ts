import { expect, test } from 'vitest';
import {
  RowChecksum,
  type RowsDigest,
  type StoredValue,
} from '../../../../../src/server/store/transfer/row-checksum.ts';
import { fc } from '../../../../helpers/property.ts';

const value = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.double({ noNaN: true }),
  fc.string({ unit: 'binary' }),
  fc.uint8Array({ maxLength: 5 }),
  fc.constant(null),
);
const rows = fc.array(fc.array(value, { minLength: 1, maxLength: 4 }), { maxLength: 10 });

function digestOf(all: readonly StoredValue[][]): RowsDigest {
  const checksum = new RowChecksum();
  for (const row of all) checksum.add(row);
  return checksum.digest;
}

test('the checksum does not depend on the order of the rows', () => {
  fc.assert(
    fc.property(rows, (all) => {
      expect(digestOf(all.toReversed())).toEqual(digestOf(all));
    }),
  );
});

test('the checksum changes when a row is changed, repeated or left out', () => {
  fc.assert(
    fc.property(rows, fc.array(value, { minLength: 1 }), (all, row) => {
      const { checksum } = digestOf([...all, row]);
      expect(checksum).toMatch(/^[0-9a-f]{32}$/);
      expect(checksum).not.toBe(digestOf(all).checksum);
      expect(checksum).not.toBe(digestOf([...all, row, row]).checksum);
      expect(checksum).not.toBe(digestOf([...all, [...row, null]]).checksum);
    }),
  );
});

test.each<[StoredValue[], StoredValue[]]>([
  [[1n], [1]],
  [[1n], ['1']],
  [[null], ['']],
  [[null], ['n']],
  [
    ['ab', 'c'],
    ['a', 'bc'],
  ],
  [['a', null], ['an']],
  [['a', 'b'], ['a1:b']],
  [[new Uint8Array([0xff])], ['ff']],
  [[new Uint8Array()], [null]],
  [['\0'], ['']],
  [[2n ** 53n + 1n], [2n ** 53n]],
])('rows that look alike have different checksums (pair %#)', (one, other) => {
  expect(digestOf([one])).not.toEqual(digestOf([other]));
});
