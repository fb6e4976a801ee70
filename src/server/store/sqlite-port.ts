import type { SqlValue, Statement } from './work.ts';

type Rows = readonly unknown[];

/** What every SQLite driver comes down to: rows for a query, none for the rest. */
export type SqlitePort =
  | { readonly synchronous: true; readonly execute: (statement: Statement) => Rows }
  | { readonly synchronous: false; readonly execute: (statement: Statement) => Promise<Rows> };

/**
 * The part that `node:sqlite` and better-sqlite3 have in common. Parameters are of no type here: drivers disagree on what
 * they call bindable, and all of them bind what we do.
 */
export interface PreparingDatabase {
  /** Compiles a statement, to be run as often as wanted. */
  prepare(sql: string): { all: (...parameters: never[]) => unknown; run: (...parameters: never[]) => unknown };
  /** Runs statements without parameters or rows. */
  exec(sql: string): unknown;
}
/** LumenJS's `LumenDb`, older (synchronous) or newer (asynchronous). */
export interface LumenDatabase {
  /** All rows. */
  all(sql: string, ...parameters: never[]): unknown;
  /** The first row. */
  get(sql: string, ...parameters: never[]): unknown;
  /** Runs a statement without rows. */
  run(sql: string, ...parameters: never[]): unknown;
  /** Runs statements without parameters or rows. */
  exec(sql: string): unknown;
}
interface PreparedStatement {
  all(...parameters: readonly SqlValue[]): unknown[];
  run(...parameters: readonly SqlValue[]): unknown;
}
type Query = (sql: string, ...parameters: readonly SqlValue[]) => unknown;

const NO_ROWS: Rows = [];

/** What `db` may be: `node:sqlite`'s `DatabaseSync`, a better-sqlite3 `Database`, or a LumenJS `LumenDb`. */
export type DatabaseSource = PreparingDatabase | LumenDatabase;

/** The object that really holds the connection: two wrappers around one are one database. */
export function connectionOf(source: DatabaseSource): DatabaseSource {
  return 'raw' in source && isPreparing(source.raw) ? source.raw : source;
}

/** Recognizes the driver by its shape. Anything else is a `TypeError`. */
export function sqlitePort(source: DatabaseSource): SqlitePort {
  if (isPreparing(source)) return preparedPort(source);
  if (isLumenDb(source)) return lumenPort(source);
  throw new TypeError("db must be node:sqlite's DatabaseSync, a better-sqlite3 Database or a LumenDb");
}

function preparedPort(db: PreparingDatabase): SqlitePort {
  // Grows to the number of statements in this package and no further: none of them is put together at run time.
  const statements = new Map<string, PreparedStatement>();
  const prepared = (sql: string): PreparedStatement => {
    let found = statements.get(sql);
    if (found === undefined) statements.set(sql, (found = db.prepare(sql) as PreparedStatement));
    return found;
  };
  return {
    synchronous: true,
    execute({ kind, sql, parameters }) {
      if (kind === 'rows') return prepared(sql).all(...parameters);
      if (kind === 'run') prepared(sql).run(...parameters);
      else db.exec(sql);
      return NO_ROWS;
    },
  };
}

function lumenPort(db: LumenDatabase): SqlitePort {
  const all = db.all.bind(db) as Query;
  const run = db.run.bind(db) as Query;
  const start = ({ kind, sql, parameters }: Statement): unknown => {
    if (kind === 'rows') return all(sql, ...parameters);
    return kind === 'run' ? run(sql, ...parameters) : db.exec(sql);
  };
  // A query without effect tells which of the two it is. Should it fail, so will the first that matters.
  const probe = all('SELECT 1');
  if (!isThenable(probe)) {
    return { synchronous: true, execute: (statement) => rowsOf(statement, start(statement)) };
  }
  Promise.resolve(probe).catch(() => undefined);
  return { synchronous: false, execute: async (statement) => rowsOf(statement, await start(statement)) };
}

function rowsOf({ kind }: Statement, answer: unknown): Rows {
  return kind === 'rows' ? (answer as Rows) : NO_ROWS;
}

function isPreparing(value: unknown): value is PreparingDatabase {
  return hasMethods(value, ['prepare', 'exec']);
}

function isLumenDb(value: unknown): value is LumenDatabase {
  return hasMethods(value, ['all', 'get', 'run', 'exec']);
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return hasMethods(value, ['then']);
}

function hasMethods(value: unknown, names: readonly string[]): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return names.every((name) => typeof Reflect.get(value, name) === 'function');
}
