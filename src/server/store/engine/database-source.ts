import type { Database } from './database.ts';
import { isPostgresPool, PostgresDatabase, type PostgresPool } from './postgres.ts';
import { SqliteConnection } from './sqlite-database.ts';
import { sqliteConnectionOf, type LumenDatabase, type SqliteDatabase } from './sqlite.ts';

/** A database connection: `node:sqlite`'s `DatabaseSync`, a better-sqlite3 `Database`, or a LumenJS `LumenDb`. */
export type DatabaseSource = SqliteDatabase | LumenDatabase;
/** Every database that the store runs on. */
type Source = DatabaseSource | PostgresPool;

/** Returns the object that holds the connection: two wrappers of one connection are one database. */
export function connectionOf(source: Source): Source {
  return isPostgresPool(source) ? source : sqliteConnectionOf(source);
}

const databases = new WeakMap<object, Database>();

/**
 * Returns the {@link Database} of a connection. There is one per connection, because transactions of two would
 * interleave.
 */
export function databaseOf(source: Source): Database {
  const connection = connectionOf(source);
  let database = databases.get(connection);
  if (database === undefined) databases.set(connection, (database = open(connection)));
  return database;
}

function open(source: Source): Database {
  return isPostgresPool(source) ? new PostgresDatabase(source) : new SqliteConnection(source);
}
