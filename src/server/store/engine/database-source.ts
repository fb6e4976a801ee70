import type { Database } from './database.ts';
import { PostgresDatabase } from './postgres.ts';
import { isPostgresPool, type PostgresPool } from './postgres-pool.ts';
import { SqliteConnection } from './sqlite-database.ts';
import { sqliteConnectionOf, type LumenDatabase, type SqliteDatabase } from './sqlite.ts';

/**
 * A database connection: `node:sqlite`'s `DatabaseSync`, a better-sqlite3 `Database`, a LumenJS `LumenDb`, or a `Pool` of `pg`.
 */
export type DatabaseSource = SqliteDatabase | LumenDatabase | PostgresPool;

/** Returns the object that holds the connection: two wrappers of one connection are one database. */
export function connectionOf(source: DatabaseSource): DatabaseSource {
  if (isPostgresPool(source)) return source;
  return Reflect.get(source, 'isPg') === true ? poolOfLumenDb(source) : sqliteConnectionOf(source);
}

/**
 * Returns the pool of a `LumenDb` on Postgres. Its methods run each statement on any connection, so that transactions need the
 * pool itself.
 */
function poolOfLumenDb(source: object): PostgresPool {
  const pool: unknown = Reflect.get(source, 'pool');
  if (isPostgresPool(pool)) return pool;
  throw new TypeError('db is a LumenDb on Postgres without a pool of its own; pass a Pool of pg instead');
}

const databases = new WeakMap<object, Database>();

/**
 * Returns the {@link Database} of a connection. There is one per connection, because transactions of two would
 * interleave.
 */
export function databaseOf(source: DatabaseSource): Database {
  const connection = connectionOf(source);
  let database = databases.get(connection);
  if (database === undefined) databases.set(connection, (database = open(connection)));
  return database;
}

function open(source: DatabaseSource): Database {
  return isPostgresPool(source) ? new PostgresDatabase(source) : new SqliteConnection(source);
}
