import { all, run, script, type Statement, type Work } from '../../engine/work.ts';
import { ORDER_TAKE_OVER } from '../001-order.ts';
import { RECEIPTS_TAKE_OVER } from '../002-receipts.ts';

/** A table that exists already, such as one of a LumenJS app. */
interface AdoptedTable {
  readonly name: string;
  /** Data types by column, as in `information_schema`. */
  readonly columns: ReadonlyMap<string, string>;
}

const COLUMN = /^ {2}(\w+) (INTEGER|TEXT)\b(.*?),?$/;
const DEFAULT = /\bDEFAULT (\('.*?'\)|\(.*\)|\S+)/;
const PRIMARY_KEY = /^ {2}PRIMARY KEY (\(.*?\)),?$/m;
const FOREIGN_KEY = /^ {2}(FOREIGN KEY .*?),?$/m;
/** ISO 8601, as the server writes times. */
const TIME = `'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'`;

/** Returns which columns a table has, with their types; empty if it doesn't exist. */
export function* typesOf(table: string): Work<ReadonlyMap<string, string>> {
  const rows = yield* all({
    sql: `select column_name as name, data_type as type from information_schema.columns
      where table_schema = current_schema() and table_name = ?`,
    parameters: [table],
    kind: 'rows',
    writes: false,
  } satisfies Statement<{ name: string; type: string }> as Statement<{ name: string; type: string }>);
  return new Map(rows.map(({ name, type }) => [name, type]));
}

/** Gives an existing table the columns, types and keys of `definition`. Further columns stay. */
export function* adoptTable({ name: table, columns }: AdoptedTable, definition: string): Work<void> {
  for (const line of definition.split('\n')) {
    const [, column, type, rest = ''] = COLUMN.exec(line) ?? [];
    if (column === undefined || type === undefined) continue;
    const present = columns.get(column);
    if (present === undefined) yield script(`ALTER TABLE ${table} ADD COLUMN ${line.trim().replace(/,$/, '')}`);
    // Its default is a sequence.
    else if (/PRIMARY KEY|IDENTITY/.test(rest)) yield script(retype(table, column, type, present));
    else {
      const [, value] = DEFAULT.exec(rest) ?? [];
      yield script(`ALTER TABLE ${table} ALTER COLUMN ${column} DROP DEFAULT`);
      yield script(retype(table, column, type, present));
      if (value !== undefined) yield script(`ALTER TABLE ${table} ALTER COLUMN ${column} SET DEFAULT ${value}`);
    }
  }
  const [, key] = PRIMARY_KEY.exec(definition) ?? [];
  if (key !== undefined) yield script(`CREATE UNIQUE INDEX comm_${table}_key ON ${table} ${key}`);
}

/** Adds the foreign key of `definition`. Rows that are there are not checked. */
export function addForeignKey(table: string, definition: string): Statement | undefined {
  const [, key] = FOREIGN_KEY.exec(definition) ?? [];
  return key === undefined ? undefined : script(`ALTER TABLE ${table} ADD ${key} NOT VALID`);
}

/** Removes the foreign keys of a table, because the types of both their ends change. */
export function* dropForeignKeys(table: string): Work<void> {
  const rows = yield* all({
    sql: `select constraint_name as name from information_schema.table_constraints
      where table_schema = current_schema() and table_name = ? and constraint_type = 'FOREIGN KEY'`,
    parameters: [table],
    kind: 'rows',
    writes: false,
  } satisfies Statement<{ name: string }> as Statement<{ name: string }>);
  for (const { name } of rows) yield script(`ALTER TABLE ${table} DROP CONSTRAINT "${name.replaceAll('"', '""')}"`);
}

/** Sets the counters and markers of existing rows, as the migrations for SQLite do. */
export function* takeOver(): Work<void> {
  for (const sql of [...statementsOf(ORDER_TAKE_OVER), ...statementsOf(RECEIPTS_TAKE_OVER), ...LATER]) {
    yield* run({ sql, parameters: [], kind: 'run', writes: true });
  }
}

const LATER = [
  'UPDATE conversations SET members_changed_rev = rev',
  `UPDATE conversation_participants SET active_hour = comm_hour(c.updated_at)
  FROM conversations AS c WHERE c.id = conversation_participants.conversation_id`,
];

function statementsOf(text: string): string[] {
  return text.split(';\n').filter((each) => each.trim() !== '');
}

function retype(table: string, column: string, type: string, present: string): string {
  return `ALTER TABLE ${table} ALTER COLUMN ${column} TYPE ${type} USING ${converted(column, type, present)}`;
}

function converted(column: string, type: string, present: string): string {
  if (type === 'INTEGER') return present === 'boolean' ? `${column}::int` : `${column}::bigint`;
  if (present === 'timestamp with time zone') return `to_char(${column} AT TIME ZONE 'utc', ${TIME})`;
  if (present === 'timestamp without time zone') return `to_char(${column}, ${TIME})`;
  return `${column}::text`;
}
