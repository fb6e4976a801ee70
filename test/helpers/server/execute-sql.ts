import { databaseOf, type DatabaseSource } from '../../../src/server/store/engine/database-source.ts';
import { all, type SqlValue, type Statement } from '../../../src/server/store/engine/work.ts';

/** Runs a statement with `?` for parameters, in SQLite or Postgres, and returns its rows. */
export async function executeSql(
  db: DatabaseSource,
  sql: string,
  parameters: readonly SqlValue[] = [],
): Promise<readonly Record<string, unknown>[]> {
  const statement: Statement<Record<string, unknown>> = { sql, parameters, kind: 'rows', writes: true };
  return await databaseOf(db).run(() => all(statement));
}
