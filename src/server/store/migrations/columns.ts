import { script, type Work } from '../work.ts';

/** `ALTER TABLE … ADD COLUMN` for those the table doesn't have: a LumenJS app may have made some of them already. */
export function* addColumns(table: string, columns: Readonly<Record<string, string>>): Work<void> {
  const present = yield* columnsOf(table);
  for (const [name, definition] of Object.entries(columns)) {
    if (!present.has(name)) yield script(`ALTER TABLE ${table} ADD COLUMN ${name} ${definition}`);
  }
}

/** Empty when there is no such table. */
export function* columnsOf(table: string): Work<ReadonlySet<string>> {
  const rows = yield { sql: `PRAGMA table_info(${table})`, parameters: [], kind: 'rows', writes: false };
  return new Set((rows as readonly { name: string }[]).map(({ name }) => name));
}
