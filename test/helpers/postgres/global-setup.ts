import pg from 'pg';
import type { TestProject } from 'vitest/node';
import { ensureCommunicationTables } from '../../../src/server/store/engine/migrate.ts';
import { startPostgres } from './postgres-process.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** URL of a Postgres, with the database `template`, in which the migrations have run. */
    postgres: string;
  }
}

/** Starts one Postgres for all files of a project. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  // Each test has a database: looking for tables to vacuum in hundreds of them would take much of the time.
  const postgres = await startPostgres({ settings: ['autovacuum=off'], removesLater: true });
  await postgres.execute('CREATE DATABASE template');
  const pool = new pg.Pool({ connectionString: postgres.url('template') });
  await ensureCommunicationTables(pool);
  await pool.end();
  project.provide('postgres', postgres.url('postgres'));
  return async () => {
    await postgres[Symbol.asyncDispose]();
  };
}
