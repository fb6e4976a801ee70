import { expect, test } from 'vitest';
import {
  asStored,
  planTable,
  type SourceColumn,
  type SourceTable,
  type TargetColumn,
  type ValueCounts,
} from '../../../../../src/server/store/transfer/transfer-tables.ts';

const NONE: ValueCounts = { integer: 0, large: 0, real: 0, text: 0, blob: 0, null: 0 };

function tableOf(values: Partial<ValueCounts>, declared = '', more: Partial<SourceColumn> = {}): SourceTable {
  const column: SourceColumn = { name: 'c', declared, notNull: false, values: { ...NONE, ...values }, ...more };
  return { name: 't', total: 1, columns: [column], primaryKey: [], order: 'rowid', generated: undefined };
}

function plan(table: SourceTable, target?: TargetColumn): [type: string | undefined, problems: string[]] {
  const problems: string[] = [];
  const { types } = planTable(table, new Map(target === undefined ? [] : [['c', target]]), problems);
  return [types[0], problems];
}

test.each<[values: Partial<ValueCounts>, declared: string, type: string]>([
  [{ integer: 1 }, 'TEXT', 'bigint'],
  [{ integer: 1, real: 1 }, 'NUMERIC', 'double precision'],
  [{ text: 1, null: 1 }, 'DATETIME', 'text'],
  [{ blob: 1 }, '', 'bytea'],
  [{}, 'INT', 'bigint'],
  [{}, 'BOOLEAN', 'bigint'],
  [{}, 'DOUBLE', 'double precision'],
  [{}, 'DECIMAL(10, 5)', 'double precision'],
  [{}, 'BLOB', 'bytea'],
  [{ null: 3 }, 'VARCHAR(10)', 'text'],
])('a column of the app with %j, declared as "%s", becomes %s', (values, declared, type) => {
  expect(plan(tableOf(values, declared))).toEqual([type, []]);
});

test.each<[values: Partial<ValueCounts>, target: string | undefined, problem: string]>([
  [{ text: 2, integer: 1 }, undefined, 't.c has 1 values that are no texts'],
  [{ blob: 2, integer: 1, real: 1 }, undefined, 't.c has 2 values that are no binary values'],
  [{ integer: 5, large: 1, real: 1 }, undefined, 't.c has 1 values that are no numbers of double precision'],
  [{ integer: 5, real: 2, text: 1, blob: 1 }, 'bigint', 't.c has 4 values that are no whole numbers'],
  [{ text: 1 }, 'bytea', 't.c has 1 values that are no binary values'],
  [{ text: 1 }, 'timestamp with time zone', 't.c has the type timestamp with time zone in the target'],
])('%j in a column of type %s is a problem', (values, target, problem) => {
  const [, problems] = plan(tableOf(values), target === undefined ? undefined : { type: target, notNull: false });
  expect(problems).toEqual([expect.stringContaining(problem)]);
});

test('empty values are a problem where the target requires one', () => {
  const table = tableOf({ null: 2 }, 'TEXT');
  expect(plan(table, { type: 'text', notNull: false })[1]).toEqual([]);
  expect(plan(table, { type: 'text', notNull: true })[1]).toEqual(['t.c is empty in 2 rows']);
  // SQLite allows empty keys, Postgres doesn't.
  expect(plan({ ...table, primaryKey: ['c'] })[1]).toEqual(['t.c is empty in 2 rows']);
  expect(plan(tableOf({ text: 1 }, 'TEXT', { notNull: true }))[1]).toEqual([]);
});

test('a whole number in a column of numbers is read as one with a fraction', () => {
  expect(asStored(2n, 'double precision')).toBe(2);
  expect(asStored(2n, 'bigint')).toBe(2n);
  expect(asStored('2', 'double precision')).toBe('2');
});
