import { CommError, isCommError } from '../../../protocol/errors.ts';
import { ensureCommunicationTables } from '../engine/migrate.ts';
import { outlivesConnections, type OwnedPool, type PostgresClient, type RowTypes } from '../engine/postgres-pool.ts';
import { openPostgres } from '../engine/postgres.ts';
import { ROW_TYPES, toParameter } from '../engine/postgres-values.ts';
import { ProcessClaim } from '../engine/process-claim.ts';
import { NEW_FILE_SECRET } from '../migrations/postgres/base.ts';
import { UNFINISHED_TRANSFER } from '../migrations/unfinished-transfer.ts';
import type { StoredValue } from './row-checksum.ts';
import { identityOf, quoted } from './transfer-source.ts';
import type { ColumnType, SourceTable, TargetColumn, TransferTable } from './transfer-tables.ts';

/** What a transfer has done so far, so that it can be resumed: a row for its source, for each table and for each foreign key. */
const PROGRESS = `CREATE TABLE comm_transfer (
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  copied BIGINT NOT NULL DEFAULT 0,
  detail TEXT,
  PRIMARY KEY (kind, name)
)`;
/** Key of the advisory lock of the connection that copies. */
const TRANSFER = 0x6c75_6d68;
/** SQLSTATE of a foreign key without the row that it refers to. */
const NO_REFERENCED_ROW = '23503';
/** SQLSTATE classes of errors that are about a row: data, constraints, limits. */
const OF_ROW = /^(?:22|23|54)/;
const FETCHED_ROWS = 500;

/** Types as SQLite stores them: whole numbers of 64 bits. */
const STORED_TYPES: RowTypes = {
  getTypeParser: (type) => (type === 20 ? BigInt : ROW_TYPES.getTypeParser(type)),
};

/** A Postgres database that rows are copied to. No server can start on it until {@link finish}. */
export class TransferTarget implements AsyncDisposable {
  readonly #pool: OwnedPool;
  readonly #claim: ProcessClaim;
  readonly #client: PostgresClient;

  private constructor(pool: OwnedPool, claim: ProcessClaim, client: PostgresClient) {
    this.#pool = pool;
    this.#claim = claim;
    this.#client = client;
  }

  /** Connects and claims the database. @throws CommError `CONFLICT` if a server or another transfer uses it */
  static async open(url: string): Promise<TransferTarget> {
    const pool = outlivesConnections(await openPostgres(url, { waits: true }));
    const claim = new ProcessClaim(pool);
    try {
      await claim.hold('alone');
      const client = await pool.connect();
      // The connection of a process that was killed may still run its last statement.
      await client.query({ text: `SELECT pg_advisory_lock(${TRANSFER})` });
      return new TransferTarget(pool, claim, client);
    } catch (error) {
      await claim.release();
      await pool.end();
      throw isCommError(error)
        ? new CommError('CONFLICT', 'A server or another migration uses the target', { fix: 'Stop it first.' })
        : error;
    }
  }

  /** Returns whether a transfer has begun and not finished. */
  async isBegun(): Promise<boolean> {
    const [row] = await this.#query("SELECT to_regclass('comm_transfer') IS NOT NULL AS begun");
    return row?.['begun'] === 1;
  }

  /** Returns a value that {@link begin} has noted. */
  async noted(name: string): Promise<string | undefined> {
    const [row] = await this.#query("SELECT detail FROM comm_transfer WHERE kind = 'note' AND name = $1", [name]);
    return row === undefined ? undefined : String(row['detail']);
  }

  /** Creates the schema of the server. */
  async migrate(): Promise<void> {
    await ensureCommunicationTables(this.#pool);
  }

  /** Returns the names of those of these tables that have rows. */
  async occupied(names: readonly string[]): Promise<string[]> {
    const found: string[] = [];
    for (const name of names) {
      if ((await this.columns(name)).size === 0) continue;
      const [row] = await this.#query(`SELECT EXISTS (SELECT 1 FROM ${quoted(name)}) AS occupied`);
      if (row?.['occupied'] === 1) found.push(name);
    }
    return found;
  }

  /** Returns the identity of the database whose rows it has; see {@link identityOf}. */
  async identity(): Promise<string | undefined> {
    if ((await this.columns('comm_file_secret')).size === 0) return undefined;
    const [row] = await this.#query('SELECT secret FROM comm_file_secret');
    return identityOf(row?.['secret']);
  }

  /** Returns the columns of a table; empty if it doesn't exist. */
  async columns(table: string): Promise<ReadonlyMap<string, TargetColumn>> {
    // The view in `information_schema` takes six times as long, and it is asked three times for each table.
    const rows = await this.#query(
      `SELECT attname AS name, attnotnull AS required,
          format_type(coalesce(nullif(pg_type.typbasetype, 0), pg_type.oid), NULL) AS type
        FROM pg_attribute
          JOIN pg_class ON pg_class.oid = attrelid
          JOIN pg_type ON pg_type.oid = atttypid
        WHERE relnamespace = current_schema()::regnamespace AND relname = $1 AND attnum > 0 AND NOT attisdropped`,
      [table],
    );
    return new Map(
      rows.map(({ name, type, required }) => [String(name), { type: String(type), notNull: required === 1 }]),
    );
  }

  /**
   * Begins a transfer in one transaction: notes it, keeps servers away, and takes away what would change or refuse rows that
   * are copied: triggers, foreign keys, and the rows of the empty schema.
   */
  async begin(tables: readonly TransferTable[], notes: Readonly<Record<string, string>>): Promise<void> {
    await this.#transaction(async () => {
      await this.#query(PROGRESS);
      for (const [name, detail] of Object.entries(notes)) await this.#note('note', name, detail);
      await this.#query('INSERT INTO comm_migrations (version, name) VALUES ($1, $2)', [
        String(UNFINISHED_TRANSFER.version),
        UNFINISHED_TRANSFER.name,
      ]);
      for (const table of tables) {
        await this.#createMissing(table);
        await this.#note('table', table.name);
        await this.#query(`ALTER TABLE ${quoted(table.name)} DISABLE TRIGGER USER`);
        for (const { name, definition } of await this.#foreignKeys(table.name)) {
          const alter = `ALTER TABLE ${quoted(table.name)}`;
          await this.#note('key', `${table.name}.${name}`, `${alter} ADD CONSTRAINT ${quoted(name)} ${definition}`);
          await this.#query(`${alter} DROP CONSTRAINT ${quoted(name)}`);
        }
      }
      await this.#query('DELETE FROM comm_file_secret');
      await this.#clearIndex();
    });
  }

  /** Gives up a transfer that has begun: its rows are deleted, and it may begin again. */
  async abandon(): Promise<void> {
    await this.#transaction(async () => {
      const tables = await this.#query("SELECT name FROM comm_transfer WHERE kind = 'table'");
      await this.#query(`TRUNCATE ${tables.map(({ name }) => quoted(String(name))).join(', ')}`);
      await this.#clearIndex();
      await this.#query(NEW_FILE_SECRET);
      await this.#restore();
    });
  }

  /** Returns the number of rows of a table that have been copied. */
  async copied(table: string): Promise<number> {
    const [row] = await this.#query("SELECT copied FROM comm_transfer WHERE kind = 'table' AND name = $1", [table]);
    return Number(row?.['copied'] ?? 0);
  }

  /**
   * Copies rows that follow the `copied` ones, and notes it in the same transaction.
   *
   * @throws CommError `INVALID` if Postgres refuses a row
   */
  async copy(table: TransferTable, rows: readonly StoredValue[][], copied: number): Promise<void> {
    try {
      const [step] = await this.#query(insertion(table), [
        String(rows.length),
        table.name,
        String(copied),
        ...parametersOf(table, rows),
      ]);
      if (Number(step?.['steps']) === 1) return;
    } catch (error) {
      if (OF_ROW.test(sqlStateOf(error))) throw await this.#refused(table, rows, copied, error);
      throw error;
    }
    throw new CommError('CONFLICT', 'Another migration has continued this one');
  }

  /** Iterates over the rows of a table as they are stored, on one snapshot. */
  async *rows({ name, columns }: SourceTable): AsyncGenerator<StoredValue[]> {
    const list = columns.map((column) => quoted(column.name)).join(', ');
    await this.#client.query({ text: 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY' });
    try {
      await this.#client.query({ text: `DECLARE stored CURSOR FOR SELECT ${list} FROM ${quoted(name)}` });
      for (;;) {
        const fetch = { text: `FETCH ${FETCHED_ROWS} FROM stored`, rowMode: 'array', types: STORED_TYPES } as const;
        const { rows } = await this.#client.query(fetch);
        yield* rows as StoredValue[][];
        if (rows.length < FETCHED_ROWS) return;
      }
    } finally {
      await this.#client.query({ text: 'ROLLBACK' });
    }
  }

  /** Returns a pool for the store, which builds the search index. */
  get pool(): OwnedPool {
    return this.#pool;
  }

  /**
   * Ends the transfer in one transaction: the counters continue after the greatest ids, triggers and foreign keys are back, and
   * servers can start.
   *
   * @returns the foreign keys that existing rows violate; they apply to new rows only
   */
  async finish(tables: readonly TransferTable[]): Promise<string[]> {
    let violated: string[] = [];
    await this.#transaction(async () => {
      for (const { name, generated } of tables) {
        if (generated === undefined || generated.last === 0n) continue;
        await this.#query('SELECT setval(pg_get_serial_sequence($1, $2), $3)', [
          quoted(name),
          generated.column,
          String(generated.last),
        ]);
      }
      violated = await this.#restore();
    });
    for (const { name } of tables) await this.#query(`ANALYZE ${quoted(name)}`);
    return violated;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client.release(true);
    await this.#claim.release();
    await this.#pool.end();
  }

  async #clearIndex(): Promise<void> {
    await this.#query('TRUNCATE comm_search, comm_search_stale');
    await this.#query('UPDATE comm_search_state SET indexed_to = 0');
  }

  /** Brings triggers and foreign keys back, and lets servers start. */
  async #restore(): Promise<string[]> {
    const violated: string[] = [];
    for (const { name } of await this.#query("SELECT name FROM comm_transfer WHERE kind = 'table'")) {
      await this.#query(`ALTER TABLE ${quoted(String(name))} ENABLE TRIGGER USER`);
    }
    for (const { name, detail } of await this.#query("SELECT name, detail FROM comm_transfer WHERE kind = 'key'")) {
      if (!(await this.#addKey(String(detail)))) violated.push(String(name));
    }
    await this.#query('DROP TABLE comm_transfer');
    await this.#query('DELETE FROM comm_migrations WHERE version = $1', [String(UNFINISHED_TRANSFER.version)]);
    return violated;
  }

  /** Adds a foreign key; if rows violate it, for new rows only. @returns whether all rows satisfy it */
  async #addKey(statement: string): Promise<boolean> {
    await this.#query('SAVEPOINT before_key');
    try {
      await this.#query(statement);
      return true;
    } catch (error) {
      if (sqlStateOf(error) !== NO_REFERENCED_ROW) throw error;
      await this.#query('ROLLBACK TO SAVEPOINT before_key');
      await this.#query(statement.endsWith(' NOT VALID') ? statement : `${statement} NOT VALID`);
      return false;
    }
  }

  async #foreignKeys(table: string): Promise<{ name: string; definition: string }[]> {
    const rows = await this.#query(
      `SELECT conname AS name, pg_get_constraintdef(oid) AS definition FROM pg_constraint
        WHERE contype = 'f' AND conrelid = to_regclass($1)`,
      [quoted(table)],
    );
    return rows.map(({ name, definition }) => ({ name: String(name), definition: String(definition) }));
  }

  async #createMissing({ name, columns, types, primaryKey, generated }: TransferTable): Promise<void> {
    const existing = await this.columns(name);
    const definitions = columns.map((column, at) => definition(column.name, types[at], column.notNull));
    if (existing.size > 0) {
      for (const [at, column] of columns.entries()) {
        if (!existing.has(column.name)) await this.#query(`ALTER TABLE ${quoted(name)} ADD COLUMN ${definitions[at]}`);
      }
      return;
    }
    const key = primaryKey.length === 0 ? [] : [`PRIMARY KEY (${primaryKey.map(quoted).join(', ')})`];
    await this.#query(`CREATE TABLE ${quoted(name)} (${[...definitions, ...key].join(', ')})`);
    if (generated === undefined) return;
    await this.#query(
      `ALTER TABLE ${quoted(name)} ALTER COLUMN ${quoted(generated.column)} SET NOT NULL,
        ALTER COLUMN ${quoted(generated.column)} ADD GENERATED BY DEFAULT AS IDENTITY`,
    );
  }

  /** Finds the row that Postgres refuses, for the message. */
  async #refused(
    table: TransferTable,
    rows: readonly StoredValue[][],
    copied: number,
    error: unknown,
  ): Promise<CommError> {
    let place = '';
    for (const [at, row] of rows.entries()) {
      const statement = insertion(table);
      const parameters = ['1', table.name, String(copied), ...parametersOf(table, [row])];
      await this.#query('BEGIN');
      const refusal = await this.#query(statement, parameters).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      await this.#query('ROLLBACK');
      if (refusal === undefined) continue;
      const key = table.primaryKey.map((name) => {
        const value = row[table.columns.findIndex((column) => column.name === name)];
        return `${name} ${value instanceof Uint8Array ? 'of bytes' : JSON.stringify(String(value))}`;
      });
      place = ` ${copied + at + 1}${key.length === 0 ? '' : ` (${key.join(', ')})`}`;
      break;
    }
    const reason = error instanceof Error ? error.message : String(error);
    return new CommError('INVALID', `Postgres refuses row${place} of ${table.name}: ${reason}`, { cause: error });
  }

  async #note(kind: string, name: string, detail: string | null = null): Promise<void> {
    await this.#query('INSERT INTO comm_transfer (kind, name, detail) VALUES ($1, $2, $3)', [kind, name, detail]);
  }

  async #transaction(work: () => Promise<void>): Promise<void> {
    await this.#query('BEGIN');
    try {
      await work();
    } catch (error) {
      // The failure is reported, also if the connection is lost.
      await this.#query('ROLLBACK').catch(() => undefined);
      throw error;
    }
    await this.#query('COMMIT');
  }

  async #query(text: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
    const { rows } = await this.#client.query({ text, types: ROW_TYPES, ...(values.length > 0 && { values }) });
    return rows as Record<string, unknown>[];
  }
}

/**
 * Inserts rows and counts them in one statement. It does neither if the count isn't the expected one, as after another process
 * has copied the same rows.
 */
function insertion({ name, columns, types }: TransferTable): string {
  const list = columns.map((column) => quoted(column.name)).join(', ');
  const arrays = types.map((type, at) => `$${at + 4}::${type}[]`).join(', ');
  return `WITH step AS (
      UPDATE comm_transfer SET copied = copied + $1 WHERE kind = 'table' AND name = $2 AND copied = $3 RETURNING 1
    ), inserted AS (
      INSERT INTO ${quoted(name)} (${list}) SELECT * FROM unnest(${arrays}) WHERE EXISTS (SELECT 1 FROM step)
    )
    SELECT count(*) AS steps FROM step`;
}

function parametersOf({ columns }: TransferTable, rows: readonly StoredValue[][]): unknown[][] {
  return columns.map((_, at) => rows.map((row) => toParameter(row[at] ?? null, false)));
}

function definition(name: string, type: ColumnType | undefined, isRequired: boolean): string {
  // By code points, as SQLite compares.
  const collation = type === 'text' ? ' COLLATE "C"' : '';
  return `${quoted(name)} ${type}${collation}${isRequired ? ' NOT NULL' : ''}`;
}

function sqlStateOf(error: unknown): string {
  const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : undefined;
  return typeof code === 'string' ? code : '';
}
