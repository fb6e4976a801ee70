import { expect, test } from 'vitest';
import { ByteBudget, trimRows } from '../../../../../src/server/services/chat/sync-budget.ts';
import { buildMessages } from '../../../../../src/testing/builders.ts';
import { fc } from '../../../../helpers/property.ts';

test('the values that a budget takes are never larger than it, and it refuses only what does not fit', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ maxLength: 40, unit: 'binary' })), fc.nat(500), (values, bytes) => {
      const budget = new ByteBudget(bytes);
      const taken = values.filter((value) => {
        const { left } = budget;
        const fits = budget.take(value);
        expect(fits).toBe(Buffer.byteLength(JSON.stringify(value)) + 1 <= left);
        return fits;
      });
      // Without the brackets, and with a comma after each value.
      expect(Buffer.byteLength(JSON.stringify(taken)) - 2 + Math.min(1, taken.length)).toBeLessThanOrEqual(bytes);
    }),
  );
});

test('rows are measured in bytes, not in characters', () => {
  const rows = buildMessages(10, () => ({ content: '…'.repeat(300) }));
  expect(trimRows(rows, 10 * JSON.stringify(rows[0]).length).length).toBeLessThan(10);
});

test('at least one row is returned', () => {
  const rows = buildMessages(3, () => ({ content: 'x'.repeat(300) }));
  expect(trimRows(rows, 10)).toEqual(rows.slice(0, 1));
});
