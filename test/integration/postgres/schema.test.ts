import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { ensureCommunicationTables } from '../../../src/server/store/engine/migrate.ts';
import { MIGRATIONS } from '../../../src/server/store/migrations/index.ts';
import { executeSql } from '../../helpers/server/execute-sql.ts';
import { newPostgres } from '../../helpers/postgres/test-database.ts';

/** Of the index, which each database has its own of. */
const OF_SEARCH = /^comm_(?:messages_search|search$)|^sqlite_/;

test('both databases have the same tables, columns and version', async () => {
  const sqlite = new DatabaseSync(':memory:');
  await ensureCommunicationTables(sqlite);
  const expected = sqlite
    .prepare(
      `SELECT m.name || '.' || c.name AS name FROM sqlite_schema AS m JOIN pragma_table_info(m.name) AS c
       WHERE m.type = 'table' ORDER BY 1`,
    )
    .all()
    .map(({ name }) => String(name))
    .filter((name) => !OF_SEARCH.test(name));
  const db = await newPostgres();
  if (db === undefined) throw new Error('This test needs Postgres');
  await ensureCommunicationTables(db);
  const columns = await executeSql(
    db,
    `select table_name || '.' || column_name as name from information_schema.columns
     where table_schema = 'public' order by table_name || '.' || column_name`,
  );
  const names = columns.map(({ name }) => String(name)).filter((name) => !name.startsWith('comm_search.'));
  // SQLite has a rowid in every table with one.
  expect(names.filter((name) => name !== 'message_reactions.rowid').toSorted()).toEqual(expected.toSorted());
  const [latest] = await executeSql(db, 'select max(version) as version from comm_migrations');
  expect(latest).toEqual({ version: MIGRATIONS.at(-1)?.version });
  sqlite.close();
});

test('migrations that are started at the same time run once', async () => {
  const db = await newPostgres();
  if (db === undefined) throw new Error('This test needs Postgres');
  const select = 'select version from comm_migrations order by version';
  await db.query('DROP SCHEMA public CASCADE; CREATE SCHEMA public');
  await ensureCommunicationTables(db);
  const once = await executeSql(db, select);
  expect(once).not.toEqual([]);
  await db.query('DROP SCHEMA public CASCADE; CREATE SCHEMA public');
  await Promise.all(Array.from({ length: 4 }, () => ensureCommunicationTables(db)));
  expect(await executeSql(db, select)).toEqual(once);
});
