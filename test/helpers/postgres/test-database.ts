import type pg from 'pg';
import { inject } from 'vitest';
import type { DatabaseSource } from '../../../src/server/store/engine/database-source.ts';

const open = new Set<pg.Pool>();
/** The connection that creates databases. */
let admin: Promise<pg.Client> | undefined;

/** Whether the tests of this project run on Postgres. */
export function onPostgres(): boolean {
  const url: string | undefined = inject('postgres');
  return url !== undefined;
}

/** Creates a database without rows in the Postgres of the project; `undefined` in projects without one, which use SQLite. */
export async function newPostgres(): Promise<(DatabaseSource & pg.Pool) | undefined> {
  if (!onPostgres()) return undefined;
  // Most projects need no driver.
  const { default: driver } = await import('pg');
  // As the pool that the server opens, except for its size.
  const pool = new driver.Pool({ connectionString: await createDatabase('template'), max: 5, pipeline: true });
  open.add(pool);
  return pool;
}

/** Creates a database without tables in the Postgres of the project, and returns its URL. */
export function newPostgresUrl(): Promise<string> {
  return createDatabase('template0');
}

async function createDatabase(template: string): Promise<string> {
  const url = inject('postgres');
  admin ??= connect(url);
  const name = `test_${crypto.randomUUID().replaceAll('-', '')}`;
  // Copying the files takes a third of the time of the default, which writes each page to the log.
  await (await admin).query(`CREATE DATABASE ${name} TEMPLATE ${template} STRATEGY FILE_COPY`);
  return url.replace(/[^/]*$/, name);
}

async function connect(url: string): Promise<pg.Client> {
  const { default: driver } = await import('pg');
  const client = new driver.Client({ connectionString: url });
  await client.connect();
  return client;
}

/** Closes the connections of a file's tests. */
export async function closeAll(): Promise<void> {
  await Promise.all([...Array.from(open, (pool) => pool.end()), admin?.then((client) => client.end())]);
  open.clear();
  admin = undefined;
}
