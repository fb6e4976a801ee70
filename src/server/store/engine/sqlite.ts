import type { SqlValue, Statement } from './work.ts';

type Rows = readonly unknown[];

/** Common interface of the SQLite drivers. Statements other than queries return no rows. */
export type SqliteDriver =
  | { readonly synchronous: true; readonly execute: (statement: Statement) => Rows }
  | { readonly synchronous: false; readonly execute: (statement: Statement) => Promise<Rows> };

/**
 * Common part of `node:sqlite`'s `DatabaseSync` and better-sqlite3's `Database`. Parameters are untyped, because the
 * drivers' types for bindable values differ.
 */
export interface SqliteDatabase {
  /** Compiles a statement. */
  prepare(sql: string): {
    /** Runs the statement and returns all rows. */
    all: (...parameters: never[]) => unknown;
    /** Runs the statement without rows. */
    run: (...parameters: never[]) => unknown;
    /** Selects rows as arrays; in newer versions of `node:sqlite`. */
    setReturnArrays?: (enabled: boolean) => unknown;
    /** Selects rows as arrays; in better-sqlite3. */
    raw?: (enabled: boolean) => unknown;
  };
  /** Runs statements without parameters or rows. */
  exec(sql: string): unknown;
}
/** LumenJS's `LumenDb`, in its synchronous (older) and asynchronous (newer) form. */
export interface LumenDatabase {
  /** Returns all rows. */
  all(sql: string, ...parameters: never[]): unknown;
  /** Returns the first row. */
  get(sql: string, ...parameters: never[]): unknown;
  /** Runs a statement without rows. */
  run(sql: string, ...parameters: never[]): unknown;
  /** Runs statements without parameters or rows. */
  exec(sql: string): unknown;
}
interface PreparedStatement {
  all(...parameters: readonly SqlValue[]): unknown[];
  run(...parameters: readonly SqlValue[]): unknown;
  setReturnArrays?(enabled: boolean): unknown;
  raw?(enabled: boolean): unknown;
}
type Query = (sql: string, ...parameters: readonly SqlValue[]) => unknown;

const NO_ROWS: Rows = [];

/** A connection to a SQLite database. */
export type SqliteSource = SqliteDatabase | LumenDatabase;

/** Returns the object that holds the connection: two wrappers of one connection are one database. */
export function sqliteConnectionOf(source: SqliteSource): SqliteSource {
  return 'raw' in source && isSqliteDatabase(source.raw) ? source.raw : source;
}

/** Creates the driver of a connection, recognized by its methods. @throws TypeError for any other object */
export function createSqliteDriver(source: SqliteSource): SqliteDriver {
  if (isSqliteDatabase(source)) return preparedDriver(source);
  if (isLumenDb(source)) return lumenDriver(source);
  throw new TypeError("db must be node:sqlite's DatabaseSync, a better-sqlite3 Database or a LumenDb");
}

function preparedDriver(db: SqliteDatabase): SqliteDriver {
  // Bounded by the number of statements in this package, because none is built at run time.
  const statements = new Map<string, PreparedStatement>();
  const prepared = (sql: string): PreparedStatement => {
    let found = statements.get(sql);
    if (found === undefined) statements.set(sql, (found = db.prepare(sql) as PreparedStatement));
    return found;
  };
  const arrayQueries = new Map<string, PreparedStatement['all']>();
  const arrays = (sql: string): PreparedStatement['all'] => {
    let found = arrayQueries.get(sql);
    if (found === undefined) arrayQueries.set(sql, (found = arrayQuery(db.prepare(sql) as PreparedStatement)));
    return found;
  };
  return {
    synchronous: true,
    execute({ kind, sql, parameters }) {
      if (kind === 'rows') return prepared(sql).all(...parameters);
      if (kind === 'arrays') return arrays(sql)(...parameters);
      if (kind === 'run') prepared(sql).run(...parameters);
      else db.exec(sql);
      return NO_ROWS;
    },
  };
}

function arrayQuery(statement: PreparedStatement): PreparedStatement['all'] {
  if (statement.setReturnArrays !== undefined) statement.setReturnArrays(true);
  else if (statement.raw !== undefined) statement.raw(true);
  else return (...parameters) => statement.all(...parameters).map(toArray);
  return (...parameters) => statement.all(...parameters);
}

function toArray(row: unknown): unknown[] {
  return Object.values(row as object);
}

function lumenDriver(db: LumenDatabase): SqliteDriver {
  const all = db.all.bind(db) as Query;
  const run = db.run.bind(db) as Query;
  const start = ({ kind, sql, parameters }: Statement): unknown => {
    if (kind === 'rows' || kind === 'arrays') return all(sql, ...parameters);
    return kind === 'run' ? run(sql, ...parameters) : db.exec(sql);
  };
  // A query without effect shows whether the driver is asynchronous. If it fails, so will the first real statement.
  const probe = all('SELECT 1');
  if (!isThenable(probe)) {
    return { synchronous: true, execute: (statement) => rowsOf(statement, start(statement)) };
  }
  Promise.resolve(probe).catch(() => undefined);
  return { synchronous: false, execute: async (statement) => rowsOf(statement, await start(statement)) };
}

function rowsOf({ kind }: Statement, answer: unknown): Rows {
  if (kind === 'arrays') return (answer as Rows).map(toArray);
  return kind === 'rows' ? (answer as Rows) : NO_ROWS;
}

function isSqliteDatabase(value: unknown): value is SqliteDatabase {
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
