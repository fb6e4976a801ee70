import { CommError } from '../../../protocol/errors.ts';
import { databaseOf } from './database-source.ts';
import { columnsOf } from '../migrations/columns.ts';
import { MIGRATIONS, type Migration } from '../migrations/index.ts';
import { UNFINISHED_TRANSFER } from '../migrations/unfinished-transfer.ts';
import { POSTGRES_MIGRATIONS, prepare } from '../migrations/postgres/index.ts';
import { SEED_SCHEMA } from '../schema.ts';
import type { DatabaseSource } from './database-source.ts';
import { query, statement, type Params } from './statement.ts';
import { first, run, script, transaction, type Statement, type Work } from './work.ts';

/** Busy timeout in ms while migrating, because another process may be migrating too. */
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
 * Creates the tables of LumenJS 0.16 where they are missing, then runs the migrations, each once and in its own
 * transaction. A database created by LumenJS is taken over with its data. Idempotent; safe to run concurrently and from
 * several processes. With a synchronous driver the work is complete when the call returns.
 *
 * @returns resolves when the database is ready
 * @throws CommError `UNSUPPORTED` if a newer version has already migrated the database
 */
export function ensureCommunicationTables(db: DatabaseSource): Promise<void> {
  // The executor runs synchronously, and its exceptions reject the promise.
  return new Promise((resolve) => {
    const database = databaseOf(db);
    resolve(database.run(() => (database.dialect === 'postgres' ? migratePostgres() : migrate(MIGRATIONS))));
  });
}

/** Runs the migrations for Postgres in one transaction, which others wait for. */
function* migratePostgres(): Work<void> {
  const latest = POSTGRES_MIGRATIONS.at(-1)?.version ?? 0;
  if ((yield* knownVersion(latest)) === latest) return;
  yield* transaction('write', function* () {
    if ((yield* knownVersion(latest)) === 0) yield* prepare();
    for (const migration of POSTGRES_MIGRATIONS) yield* apply(migration, latest);
  });
}

/** Runs migrations. Exported for tests, which pass their own. */
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
    // Another connection uses the database. The journal mode is a property of the file, and every mode is safe.
  }
}

/** The version is read again inside the transaction, because another process may have migrated since. */
function* apply(migration: Migration, latest: number): Work<void> {
  if ((yield* knownVersion(latest)) >= migration.version) return;
  yield* migration.up();
  yield* run(record({ version: migration.version, name: migration.name }));
}

/** Returns the version of the database; 0 if no migration has run. */
function* knownVersion(latest: number): Work<number> {
  if ((yield* columnsOf('comm_migrations')).size === 0) return 0;
  const applied = (yield* first(latestApplied({})))?.version ?? 0;
  if (applied <= latest) return applied;
  if (applied === UNFINISHED_TRANSFER.version) {
    throw new CommError('UNSUPPORTED', 'The data of another database has not been moved to this one completely', {
      fix: 'Run lumen-comm-server migrate again, with the same --from and --to.',
    });
  }
  throw new CommError(
    'UNSUPPORTED',
    `The database has schema version ${applied}; this version supports up to ${latest}`,
    {
      fix: 'Use the version of lumen-comm-server that last used this database, or a newer one.',
    },
  );
}
