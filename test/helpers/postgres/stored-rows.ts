import { DatabaseSync } from 'node:sqlite';
import pg from 'pg';

/** The rows of each table, each as text, in an order that doesn't depend on the database. */
export type StoredRows = Readonly<Record<string, readonly string[]>>;

/** Tables that each database fills by itself. */
const OWN = /^comm_(?:migrations|search|search_state|search_stale)$/;

const text = (value: unknown): string => {
  if (value === null) return 'null';
  if (value instanceof Uint8Array) return `x'${Buffer.from(value).toString('hex')}'`;
  return typeof value === 'bigint' || typeof value === 'number' ? String(value) : JSON.stringify(value);
};

const line = (row: readonly [string, unknown][]): string =>
  row
    .map(([name, value]) => `${name}=${text(value)}`)
    .toSorted()
    .join(' ');

/** Reads a SQLite database, with the row ids of reactions. */
export function sqliteRows(path: string): StoredRows {
  const db = new DatabaseSync(path);
  const tables = db.prepare("SELECT name FROM pragma_table_list WHERE type = 'table' AND schema = 'main'").all();
  const rows: Record<string, string[]> = {};
  for (const { name } of tables) {
    const table = String(name);
    if (OWN.test(table) || table.startsWith('sqlite_')) continue;
    const columns = table === 'message_reactions' ? 'rowid, *' : '*';
    const statement = db.prepare(`SELECT ${columns} FROM "${table}"`);
    statement.setReadBigInts(true);
    rows[table] = statement
      .all()
      .map((row) => line(Object.entries(row)))
      .toSorted();
  }
  db.close();
  return rows;
}

/** Escapes of texts; see decision 94. */
const unescape = (value: string): string =>
  value
    .split('\u{ffff}')
    .map((part, at) => (at === 0 ? part : (part.startsWith('0') ? '\0' : '\u{ffff}') + part.slice(1)))
    .join('');

/** Reads a Postgres database. */
export async function postgresRows(url: string): Promise<StoredRows> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows: tables } = await client.query<{ name: string }>(
      "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public'",
    );
    const rows: Record<string, string[]> = {};
    for (const { name } of tables) {
      if (OWN.test(name)) continue;
      const answer = await client.query<Record<string, string | number | Buffer | null>>(`SELECT * FROM "${name}"`);
      const integers = new Set(answer.fields.filter(({ dataTypeID }) => dataTypeID === 20).map((field) => field.name));
      rows[name] = answer.rows
        .map((row) => {
          const values = Object.entries(row).map(([column, value]): [string, unknown] => {
            const isText = typeof value === 'string' && !integers.has(column);
            if (isText) return [column, unescape(value)];
            return [column, integers.has(column) && value !== null ? BigInt(String(value)) : value];
          });
          return line(values);
        })
        .toSorted();
    }
    return rows;
  } finally {
    await client.end();
  }
}
