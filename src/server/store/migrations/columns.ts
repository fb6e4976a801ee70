import { script, type Work } from '../engine/work.ts';

/** Adds the columns that the table doesn't have. A LumenJS app may already have created some of them. */
export function* addColumns(table: string, columns: Readonly<Record<string, string>>): Work<void> {
  const present = yield* columnsOf(table);
  for (const [name, definition] of Object.entries(columns)) {
    if (!present.has(name)) yield script(`ALTER TABLE ${table} ADD COLUMN ${name} ${definition}`);
  }
}

/** Returns the columns of a table; empty if the table doesn't exist. */
export function* columnsOf(table: string): Work<ReadonlySet<string>> {
  const rows = yield { sql: `PRAGMA table_info(${table})`, parameters: [], kind: 'rows', writes: false };
  return new Set((rows as readonly { name: string }[]).map(({ name }) => name));
}
