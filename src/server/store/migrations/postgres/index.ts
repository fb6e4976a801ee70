import { script, type Work } from '../../engine/work.ts';
import { MIGRATIONS, type Migration } from '../index.ts';
import { base, BASE_VERSION } from './base.ts';
import { BASE_FUNCTIONS } from './functions.ts';

/** The migrations for Postgres: the schema of the base version at once, then the same as for SQLite, which are translated. */
export const POSTGRES_MIGRATIONS: readonly Migration[] = [
  { version: BASE_VERSION, name: 'base', up: base },
  ...MIGRATIONS.filter(({ version }) => version > BASE_VERSION),
];

/** Creates what migrations need, in a database without any. */
export function* prepare(): Work<void> {
  yield script(BASE_FUNCTIONS);
  yield script(`CREATE TABLE comm_migrations (
    version INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    applied_at TEXT NOT NULL DEFAULT (datetime('now'))
  )`);
}
