import type pg from 'pg';
import { inject } from 'vitest';
import type { DatabaseSource } from '../../../src/server/store/engine/database-source.ts';

const open = new Set<pg.Pool>();

/** Whether the tests of this project run on Postgres. */
export function onPostgres(): boolean {
  const url: string | undefined = inject('postgres');
  return url !== undefined;
}

/** Creates an empty database in the Postgres of the project; `undefined` in projects without one, which use SQLite. */
export async function newPostgres(): Promise<(DatabaseSource & pg.Pool) | undefined> {
  const url: string | undefined = inject('postgres');
  if (url === undefined) return undefined;
  const name = `test_${crypto.randomUUID().replaceAll('-', '')}`;
  // Most projects need no driver.
  const { default: driver } = await import('pg');
  const admin = new driver.Client({ connectionString: url });
  await admin.connect();
  try {
    await admin.query(`CREATE DATABASE ${name} TEMPLATE template`);
  } finally {
    await admin.end();
  }
  const pool = new driver.Pool({ connectionString: url.replace(/[^/]*$/, name), max: 5 });
  open.add(pool);
  return pool;
}

/** Closes the connections of a file's tests. */
export async function closeAll(): Promise<void> {
  await Promise.all(Array.from(open, (pool) => pool.end()));
  open.clear();
}
