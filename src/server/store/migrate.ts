import { CommError } from '../../protocol/errors.ts';
import { databaseOf } from './database.ts';
import { columnsOf } from './migrations/columns.ts';
import { MIGRATIONS, type Migration } from './migrations/index.ts';
import { SEED_SCHEMA } from './schema.ts';
import type { DatabaseSource } from './sqlite-port.ts';
import { query, statement, type Params } from './statement.ts';
import { first, run, script, transaction, type Statement, type Work } from './work.ts';

/** Another process may be at it: nobody serves before it is through. */
const MIGRATION_BUSY_TIMEOUT_MS = 60_000;
const BUSY_TIMEOUT_MS = 5_000;

const RECORD_TABLE = `
CREATE TABLE IF NOT EXISTS comm_migrations (
  version INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  applied_at TEXT NOT NULL DEFAULT (datetime('now'))
);
`;

const busyTimeout: Statement<{ timeout: number }> = {
  sql: 'PRAGMA busy_timeout',
  parameters: [],
  kind: 'rows',
  writes: false,
};
const latestApplied = statement((_: Params<object>) =>
  query.selectFrom('comm_migrations').select((each) => each.fn.max('version').as('version')),
);
const record = statement((p: Params<{ version: number; name: string }>) =>
  query.insertInto('comm_migrations').values({ version: p.version, name: p.name }),
);

/**
 * Makes the tables of LumenJS 0.16 where they are missing, then ours by migrations, each once and in a transaction; a
 * database that LumenJS made is taken over with its data. Safe to call again, at the same time, and from several
 * processes. With a synchronous driver all of it has happened when the call returns.
 *
 * @returns resolves when the database is ready
 * @throws CommError `UNSUPPORTED` when a newer version of this package has already moved the database on
 */
export function ensureCommunicationTables(db: DatabaseSource): Promise<void> {
  // What the executor does has been done when the call returns, and what it throws rejects.
  return new Promise((resolve) => {
    resolve(databaseOf(db).run(() => migrate(MIGRATIONS)));
  });
}

/** Exported for tests, which bring migrations of their own. */
export function* migrate(migrations: readonly Migration[]): Work<void> {
  const timeout = (yield* first(busyTimeout))?.timeout ?? 0;
  yield script(`PRAGMA busy_timeout = ${Math.max(timeout, MIGRATION_BUSY_TIMEOUT_MS)}`);
  try {
    yield* configure();
    const latest = migrations.at(-1)?.version ?? 0;
    if ((yield* knownVersion(latest)) === latest) return;
    yield* transaction('write', () => run(script(SEED_SCHEMA + RECORD_TABLE)));
    for (const migration of migrations) yield* transaction('write', () => apply(migration, latest));
  } finally {
    yield script(`PRAGMA busy_timeout = ${Math.max(timeout, BUSY_TIMEOUT_MS)}`);
  }
}

function* configure(): Work<void> {
  yield script('PRAGMA foreign_keys = ON');
  try {
    yield script('PRAGMA journal_mode = WAL');
  } catch {
    // Another connection is on it. The mode belongs to the file: one that succeeds is enough, and all are safe in any.
  }
}

/** What the database has is asked again inside the transaction: another process may have been faster. */
function* apply(migration: Migration, latest: number): Work<void> {
  if ((yield* knownVersion(latest)) >= migration.version) return;
  yield* migration.up();
  yield* run(record({ version: migration.version, name: migration.name }));
}

/** The last migration that the database has; 0 for none. */
function* knownVersion(latest: number): Work<number> {
  if ((yield* columnsOf('comm_migrations')).size === 0) return 0;
  const applied = (yield* first(latestApplied({})))?.version ?? 0;
  if (applied <= latest) return applied;
  throw new CommError('UNSUPPORTED', `The database is at version ${applied}, this code knows up to ${latest}`, {
    fix: 'Update lumen-comm to the version that last used this database, or a newer one.',
  });
}
