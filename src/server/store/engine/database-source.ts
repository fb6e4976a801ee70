import type { Database } from './database.ts';
import { isPostgresPool, PostgresDatabase, type PostgresPool } from './postgres.ts';
import { SqliteConnection } from './sqlite-database.ts';
import { sqliteConnectionOf, type LumenDatabase, type SqliteDatabase } from './sqlite.ts';

/**
 * A database connection: `node:sqlite`'s `DatabaseSync`, a better-sqlite3 `Database`, a LumenJS `LumenDb`, or a `Pool` of `pg`.
 */
export type DatabaseSource = SqliteDatabase | LumenDatabase | PostgresPool;

/** Returns the object that holds the connection: two wrappers of one connection are one database. */
export function connectionOf(source: DatabaseSource): DatabaseSource {
  return isPostgresPool(source) ? source : sqliteConnectionOf(source);
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
