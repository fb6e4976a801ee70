import { hash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { loadSqlite } from '../../../lib/node-sqlite.ts';
import { CommError } from '../../../protocol/errors.ts';
import { ensureCommunicationTables } from '../engine/migrate.ts';
import type { StoredValue } from './row-checksum.ts';
import { NOT_COPIED, type SourceColumn, type SourceTable, type ValueCounts } from './transfer-tables.ts';

type Database = InstanceType<NonNullable<ReturnType<typeof loadSqlite>>['DatabaseSync']>;
type Row = Record<string, unknown>;

const BUSY = 5;
const READ_ONLY = 8;
const NOT_A_DATABASE = 26;
/** Names of the column with the key of a row; a table can have columns of its own with two of them. */
const ROW_IDS = ['rowid', '_rowid_', 'oid'];

/**
 * A SQLite database whose rows are copied. It is locked until it is closed, so that no other process reads or writes it: the
 * rows that are copied and those that are compared at the end are the same.
 */
export class TransferSource implements Disposable {
  readonly #db: Database;

  private constructor(db: Database) {
    this.#db = db;
  }

  /**
   * Opens and locks a database, and migrates it to the newest schema as the server does.
   *
   * @throws CommError `NOT_FOUND` if there is no such file, `UNSUPPORTED` if it has no data of lumen-comm, `CONFLICT` if another
   *   process has opened it
   */
  static async open(path: string): Promise<TransferSource> {
    if (!existsSync(path)) throw new CommError('NOT_FOUND', `There is no file ${path}`);
    const sqlite = loadSqlite();
    if (sqlite === undefined) throw new CommError('UNSUPPORTED', 'This version of Node has no node:sqlite');
    let db: Database | undefined;
    try {
      db = new sqlite.DatabaseSync(path);
      // Before the first access, so that the lock keeps readers out too. A server holds its lock while it runs.
      db.exec('PRAGMA locking_mode = EXCLUSIVE');
      db.exec('BEGIN EXCLUSIVE; COMMIT');
      if (db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'conversations'").get() === undefined) {
        throw new CommError('UNSUPPORTED', `${path} is not a database of lumen-comm: it has no conversations`);
      }
      await ensureCommunicationTables(db);
      return new TransferSource(db);
    } catch (error) {
      db?.close();
      throw explain(error, path);
    }
  }

  /** Identifies the database and its copies. */
  get identity(): string {
    return identityOf(this.#db.prepare('SELECT secret FROM comm_file_secret').get()?.['secret']);
  }

  /** Number of the newest migration that has run. */
  get version(): number {
    return Number(this.#db.prepare('SELECT max(version) AS version FROM comm_migrations').get()?.['version']);
  }

  /** Returns the tables whose rows are copied. Views, virtual tables and those of SQLite itself aren't. */
  tables(): SourceTable[] {
    return this.#rows("SELECT name, wr FROM pragma_table_list WHERE schema = 'main' AND type = 'table' ORDER BY name")
      .map(({ name, wr }) => ({ name: String(name), hasRowId: wr === 0 }))
      .filter(({ name }) => !name.startsWith('sqlite_') && !NOT_COPIED.has(name))
      .map(({ name, hasRowId }) => this.#table(name, hasRowId));
  }

  /** Iterates over the rows of a table in its order, from the one at `offset`. */
  *rows({ name, columns, order }: SourceTable, offset: number): Generator<StoredValue[]> {
    const list = columns.map((column) => quoted(column.name)).join(', ');
    const statement = this.#db.prepare(`SELECT ${list} FROM ${quoted(name)} ORDER BY ${order} LIMIT -1 OFFSET ?`);
    statement.setReadBigInts(true);
    statement.setReturnArrays(true);
    yield* statement.iterate(offset) as unknown as Iterable<StoredValue[]>;
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }

  #table(name: string, hasRowId: boolean): SourceTable {
    const info = this.#rows(
      'SELECT name, type, "notnull" AS required, pk FROM pragma_table_xinfo(?) ORDER BY cid',
      name,
    );
    const keys = info
      .filter(({ pk }) => Number(pk) > 0)
      .toSorted((one, other) => Number(one['pk']) - Number(other['pk']));
    const primaryKey = keys.map((key) => String(key['name']));
    const [key] = keys;
    const isGenerated = hasRowId && keys.length === 1 && /^integer$/i.test(String(key?.['type']));
    const names = new Set(info.map((column) => String(column['name']).toLowerCase()));
    const rowId = ROW_IDS.find((each) => !names.has(each)) ?? 'rowid';
    // Reactions are ordered by their row ids, which Postgres has a column for.
    const described = name === 'message_reactions' ? [...info, { name: 'rowid', type: 'INTEGER', required: 1 }] : info;
    const columns = this.#columns(name, described);
    const column = name === 'message_reactions' ? 'rowid' : primaryKey[0];
    const isNumbered = column !== undefined && (isGenerated || column === 'rowid');
    return {
      name,
      total: Number(this.#rows(`SELECT count(*) AS total FROM ${quoted(name)}`)[0]?.['total']),
      columns,
      primaryKey,
      order: hasRowId ? rowId : primaryKey.map(quoted).join(', '),
      generated: isNumbered ? { column, last: this.#lastGenerated(name, column) } : undefined,
    };
  }

  #columns(table: string, described: readonly Row[]): SourceColumn[] {
    const names = described.map(({ name }) => String(name));
    const kinds = ['integer', 'large', 'real', 'text', 'blob', 'null'] as const;
    const counts = names
      .map(quoted)
      .flatMap((name) => [
        `total(typeof(${name}) = 'integer')`,
        `total(typeof(${name}) = 'integer' AND ${name} NOT BETWEEN ${-(2 ** 53)} AND ${2 ** 53})`,
        ...kinds.slice(2).map((kind) => `total(typeof(${name}) = '${kind}')`),
      ]);
    const statement = this.#db.prepare(`SELECT ${counts.join(', ')} FROM ${quoted(table)}`);
    statement.setReturnArrays(true);
    const totals = statement.get() as unknown as number[];
    return described.map(({ name, type, required }, at) => ({
      name: String(name),
      declared: String(type),
      notNull: required === 1,
      values: Object.fromEntries(
        kinds.map((kind, of) => [kind, totals[at * kinds.length + of]]),
      ) as unknown as ValueCounts,
    }));
  }

  /** The greatest number that was used, also if its row is deleted: an id is never used twice. */
  #lastGenerated(table: string, column: string): bigint {
    const statement = this.#db.prepare(
      `SELECT max(coalesce((SELECT max(${quoted(column)}) FROM ${quoted(table)}), 0), coalesce((${this.#sequence(table)}), 0)) AS last`,
    );
    statement.setReadBigInts(true);
    return statement.get()?.['last'] as bigint;
  }

  /** `sqlite_sequence` exists if a table has `AUTOINCREMENT`. */
  #sequence(table: string): string {
    const exists = this.#db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'").get() !== undefined;
    return exists ? `SELECT seq FROM sqlite_sequence WHERE name = '${table.replaceAll("'", "''")}'` : 'SELECT 0';
  }

  #rows(sql: string, ...parameters: string[]): Row[] {
    return this.#db.prepare(sql).all(...parameters);
  }
}

/** Returns the names of the tables that the server creates. */
export async function serverTables(): Promise<ReadonlySet<string>> {
  const sqlite = loadSqlite();
  if (sqlite === undefined) return new Set();
  const db = new sqlite.DatabaseSync(':memory:');
  await ensureCommunicationTables(db);
  const rows = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
  db.close();
  return new Set(rows.map(({ name }) => String(name)));
}

/** Returns what identifies a database and its copies: a hash of the secret that signs the URLs of its files. */
export function identityOf(secret: unknown): string {
  return hash('sha256', String(secret), 'hex').slice(0, 32);
}

/** Quotes a name of a table or column. Both databases read it the same. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function explain(error: unknown, path: string): unknown {
  const code: unknown = error instanceof Error ? Reflect.get(error, 'errcode') : undefined;
  if (code === BUSY) {
    return new CommError('CONFLICT', `Another process has opened ${path}`, {
      fix: 'Stop the server that uses it, so that it is not changed while it is copied.',
    });
  }
  if (code === READ_ONLY)
    return new CommError('FORBIDDEN', `${path} can't be locked, because it may not be written to`);
  if (code === NOT_A_DATABASE) return new CommError('UNSUPPORTED', `${path} is not a SQLite database`);
  return error;
}
