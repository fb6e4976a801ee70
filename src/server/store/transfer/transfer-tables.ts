import type { StoredValue } from './row-checksum.ts';

/** Types of columns in Postgres that rows are copied to. */
export type ColumnType = 'bigint' | 'text' | 'bytea' | 'double precision';

/** Number of rows that have a value of each type of SQLite in a column. */
export interface ValueCounts {
  readonly integer: number;
  /** Those of the whole numbers that a number with a fraction can't represent. */
  readonly large: number;
  readonly real: number;
  readonly text: number;
  readonly blob: number;
  readonly null: number;
}

/** A column of a table in SQLite. */
export interface SourceColumn {
  readonly name: string;
  /** Type as declared; SQLite stores values of other types, too. */
  readonly declared: string;
  readonly notNull: boolean;
  readonly values: ValueCounts;
}

/** A table in SQLite. */
export interface SourceTable {
  readonly name: string;
  /** Number of rows. */
  readonly total: number;
  readonly columns: readonly SourceColumn[];
  readonly primaryKey: readonly string[];
  /** SQL of the order in which the rows are read: that of the table itself. */
  readonly order: string;
  /** Column whose values SQLite generates, and the greatest one that was used. */
  readonly generated: { readonly column: string; readonly last: bigint } | undefined;
}

/** A column of a table in Postgres. */
export interface TargetColumn {
  readonly type: string;
  readonly notNull: boolean;
}

/** A table whose rows are copied. */
export interface TransferTable extends SourceTable {
  /** Type of each column, in the order of `columns`. */
  readonly types: readonly ColumnType[];
}

/** Tables whose rows the target has of its own: the migrations that have run, and the state of its search index. */
export const NOT_COPIED: ReadonlySet<string> = new Set(['comm_migrations', 'comm_search_state', 'comm_search_stale']);

const TYPES: readonly string[] = ['bigint', 'text', 'bytea', 'double precision'] satisfies ColumnType[];

/**
 * Returns the table with the types of its columns in the target: those of existing columns, otherwise those of the values.
 *
 * @param existing - columns of the table in the target; empty if it doesn't exist
 * @param problems - receives a sentence for each column whose values the target can't store
 */
export function planTable(
  table: SourceTable,
  existing: ReadonlyMap<string, TargetColumn>,
  problems: string[],
): TransferTable {
  const types = table.columns.map((column) => {
    const present = existing.get(column.name);
    const type = present?.type ?? typeOfValues(column);
    if (!isColumnType(type)) {
      problems.push(`${table.name}.${column.name} has the type ${type} in the target, which rows can't be copied to`);
      return 'text';
    }
    const { integer, real, text, blob, null: empty } = column.values;
    const others = { bigint: real + text + blob, text: integer + real + blob, bytea: integer + real + text };
    const wrong = type === 'double precision' ? text + blob + column.values.large : others[type];
    if (wrong > 0) problems.push(`${table.name}.${column.name} has ${wrong} values that are no ${KINDS[type]}`);
    const required = present?.notNull ?? (column.notNull || table.primaryKey.includes(column.name));
    if (required && empty > 0) problems.push(`${table.name}.${column.name} is empty in ${empty} rows`);
    return type;
  });
  return { ...table, types };
}

/** Returns a value as the target returns it: a column of numbers has no whole numbers of their own. */
export function asStored(value: StoredValue, type: ColumnType | undefined): StoredValue {
  return type === 'double precision' && typeof value === 'bigint' ? Number(value) : value;
}

const KINDS: Readonly<Record<ColumnType, string>> = {
  bigint: 'whole numbers',
  text: 'texts',
  bytea: 'binary values',
  'double precision': 'numbers of double precision',
};

function isColumnType(type: string): type is ColumnType {
  return TYPES.includes(type);
}

function typeOfValues({ declared, values }: SourceColumn): ColumnType {
  if (values.text > 0) return 'text';
  if (values.blob > 0) return 'bytea';
  if (values.real > 0) return 'double precision';
  if (values.integer > 0) return 'bigint';
  if (/int|bool/i.test(declared)) return 'bigint';
  if (/blob/i.test(declared)) return 'bytea';
  return /real|floa|doub|num|dec/i.test(declared) ? 'double precision' : 'text';
}
