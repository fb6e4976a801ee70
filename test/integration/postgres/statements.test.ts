import { globSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compiledStatements } from '../../../src/server/store/engine/statement.ts';
import { toPostgres } from '../../../src/server/store/engine/postgres-sql.ts';
import { newPostgres } from '../../helpers/postgres/test-database.ts';

const STORE = join(import.meta.dirname, '../../../src/server/store');
/** Statements of the index of SQLite, which isn't used with Postgres. */
const OF_FTS5 = /comm_messages_search|total_changes\(\)/;

test('Postgres understands every statement of the store', async () => {
  for (const file of globSync(`${STORE}/{queries,search}/**/*.ts`)) await import(file);
  const pool = await newPostgres();
  expect(compiledStatements.size).toBeGreaterThan(250);
  const rejected: string[] = [];
  for (const [at, sql] of [...compiledStatements].entries()) {
    if (OF_FTS5.test(sql)) continue;
    await pool?.query(`PREPARE each_${at} AS ${toPostgres(sql).sql}`).catch((error: unknown) => {
      rejected.push(`${String(error)}: ${sql}`);
    });
  }
  expect(rejected).toEqual([]);
});
