import { CommError } from '../../../protocol/errors.ts';
import { databaseOf } from '../engine/database-source.ts';
import { transaction } from '../engine/work.ts';
import { POSTGRES_INDEX } from '../search/postgres-index.ts';
import { indexStep } from '../search/search-index.ts';
import { RowChecksum, type RowsDigest, type StoredValue } from './row-checksum.ts';
import { serverTables, TransferSource } from './transfer-source.ts';
import { asStored, planTable, type SourceTable, type TransferTable } from './transfer-tables.ts';
import { TransferTarget } from './transfer-target.ts';

/** What a transfer copies, and how. */
export interface TransferOptions {
  /** Path of the SQLite database. */
  readonly from: string;
  /** URL of the Postgres database. */
  readonly to: string;
  /** Deletes what an unfinished transfer has copied, and starts again. */
  readonly restart?: boolean | undefined;
  /** Tables of the app that are not copied. */
  readonly skip?: readonly string[] | undefined;
  /** Receives the progress. */
  readonly onProgress?: ((progress: TransferProgress) => void) | undefined;
}

/** Progress of a transfer. */
export type TransferProgress =
  | { readonly step: 'begin'; readonly tables: number; readonly isResumed: boolean }
  | { readonly step: 'copy'; readonly table: string; readonly copied: number; readonly rows: number }
  | { readonly step: 'index'; readonly isComplete: boolean }
  | { readonly step: 'compare' };

/** Result of a transfer. */
export interface TransferResult {
  /** Rows and checksum of each table, which are the same in both databases. */
  readonly tables: readonly (RowsDigest & { readonly table: string })[];
  /** Foreign keys that existing rows violate, in both databases. */
  readonly violatedKeys: readonly string[];
  /** Whether an earlier transfer had finished, so that nothing was copied. */
  readonly wasFinished: boolean;
}

/** Rows and characters of a batch. A row counts at least as one, however long it is. */
const BATCH_ROWS = 1_000;
const BATCH_LENGTH = 1_000_000;
/** Messages and bytes per step of the index. */
const INDEX_STEP = { limit: 2_000, bytes: 1_000_000 };

/**
 * Copies a SQLite database to Postgres, in batches that are committed one by one. An interrupted transfer goes on when it is
 * called again. Before it finishes, all rows of both databases are read and compared.
 *
 * @throws CommError if the source is in use or not readable, if the target has other data or is in use, if a value can't be
 *   stored in Postgres, or if the databases differ at the end
 */
export async function transferDatabase(options: TransferOptions): Promise<TransferResult> {
  using source = await TransferSource.open(options.from);
  await using target = await TransferTarget.open(options.to);
  return await new Transfer(source, target, options).run();
}

class Transfer {
  readonly #source: TransferSource;
  readonly #target: TransferTarget;
  readonly #options: TransferOptions;

  constructor(source: TransferSource, target: TransferTarget, options: TransferOptions) {
    this.#source = source;
    this.#target = target;
    this.#options = options;
  }

  async run(): Promise<TransferResult> {
    const tables = await this.#tables();
    if (!(await this.#target.isBegun()) && (await this.#target.identity()) === this.#source.identity) {
      return { tables: await this.#compareFinished(tables), violatedKeys: [], wasFinished: true };
    }
    const plan = await this.#begin(tables);
    for (const table of plan) await this.#copy(table);
    await this.#index();
    const digests = await this.#compare(plan, 'The source has changed since the transfer began', RESTART);
    return { tables: digests, violatedKeys: await this.#target.finish(plan), wasFinished: false };
  }

  async #tables(): Promise<SourceTable[]> {
    const tables = this.#source.tables();
    const skipped = this.#options.skip ?? [];
    const required = skipped.length === 0 ? new Set<string>() : await serverTables();
    for (const name of skipped) {
      if (required.has(name)) throw new CommError('INVALID', `${name} can't be left out: it is a table of the server`);
      if (!tables.some((table) => table.name === name)) throw new CommError('INVALID', `There is no table ${name}`);
    }
    return tables.filter(({ name }) => !skipped.includes(name));
  }

  async #begin(tables: readonly SourceTable[]): Promise<TransferTable[]> {
    const { identity, version } = this.#source;
    const columns = tables.map((table) => [table.name, ...table.columns.map(({ name }) => name)]);
    const notes = { source: identity, version: String(version), tables: JSON.stringify(columns) };
    let isBegun = await this.#target.isBegun();
    if (isBegun && this.#options.restart === true) {
      await this.#target.abandon();
      isBegun = false;
    }
    if (isBegun) await this.#checkNotes(notes);
    else {
      await this.#target.migrate();
      await this.#checkEmpty(tables);
    }
    const plan = await this.#plan(tables);
    if (!isBegun) await this.#target.begin(plan, notes);
    this.#options.onProgress?.({ step: 'begin', tables: plan.length, isResumed: isBegun });
    return plan;
  }

  /** @throws CommError `CONFLICT` if the transfer that has begun is another one */
  async #checkNotes(notes: Readonly<Record<string, string>>): Promise<void> {
    if ((await this.#target.noted('source')) !== notes['source']) {
      throw new CommError('CONFLICT', 'The target has an unfinished transfer of another database', {
        fix: 'Pass the database with which it began as --from, or give it up with --restart.',
      });
    }
    for (const name of ['version', 'tables']) {
      if ((await this.#target.noted(name)) === notes[name]) continue;
      throw new CommError('CONFLICT', 'The unfinished transfer began with other tables', { fix: RESTART });
    }
  }

  async #checkEmpty(tables: readonly SourceTable[]): Promise<void> {
    const names = tables.map(({ name }) => name).filter((name) => name !== 'comm_file_secret');
    const occupied = await this.#target.occupied(names);
    if (occupied.length === 0) return;
    throw new CommError('CONFLICT', `The target has other data, in ${occupied.join(', ')}`, {
      fix: 'Pass an empty database as --to.',
    });
  }

  async #plan(tables: readonly SourceTable[]): Promise<TransferTable[]> {
    const problems: string[] = [];
    const plan: TransferTable[] = [];
    for (const table of tables) plan.push(planTable(table, await this.#target.columns(table.name), problems));
    if (problems.length === 0) return plan;
    throw new CommError('INVALID', `The target can't store all values: ${problems.join('; ')}`, {
      fix: 'Correct the rows in the SQLite database, or leave tables of your app out with --skip.',
    });
  }

  async #copy(table: TransferTable): Promise<void> {
    const { total: rows } = table;
    let copied = await this.#target.copied(table.name);
    const report = (): void => this.#options.onProgress?.({ step: 'copy', table: table.name, copied, rows });
    for (const batch of batches(this.#source.rows(table, copied))) {
      await this.#target.copy(table, batch, copied);
      copied += batch.length;
      report();
    }
    if (rows === 0) report();
  }

  async #index(): Promise<void> {
    const database = databaseOf(this.#target.pool);
    for (let isComplete = false; !isComplete;) {
      isComplete = !(await database.run(() => transaction('write', () => indexStep(INDEX_STEP, POSTGRES_INDEX))));
      this.#options.onProgress?.({ step: 'index', isComplete });
    }
  }

  /** Compares the databases after a transfer that has finished. */
  async #compareFinished(tables: readonly SourceTable[]): Promise<TransferResult['tables']> {
    const plan = await this.#plan(tables);
    const message = 'The target has this database already, and one of them has changed since';
    return await this.#compare(plan, message, 'To move it again, pass an empty database as --to.');
  }

  async #compare(tables: readonly TransferTable[], difference: string, fix: string): Promise<TransferResult['tables']> {
    this.#options.onProgress?.({ step: 'compare' });
    const digests: (RowsDigest & { table: string })[] = [];
    const differing: string[] = [];
    for (const table of tables) {
      const expected = new RowChecksum();
      for (const row of this.#source.rows(table, 0)) {
        expected.add(row.map((value, at) => asStored(value, table.types[at])));
      }
      const stored = new RowChecksum();
      for await (const row of this.#target.rows(table)) stored.add(row);
      const [one, other] = [expected.digest, stored.digest];
      if (one.rows !== other.rows || one.checksum !== other.checksum) differing.push(table.name);
      digests.push({ table: table.name, ...one });
    }
    if (differing.length === 0) return digests;
    throw new CommError('CONFLICT', `${difference}: the rows of ${differing.join(', ')} differ`, { fix });
  }
}

const RESTART = 'Run the command again with --restart, which deletes what was copied.';

function* batches(rows: Iterable<StoredValue[]>): Generator<StoredValue[][]> {
  let batch: StoredValue[][] = [];
  let length = 0;
  for (const row of rows) {
    batch.push(row);
    for (const value of row) length += typeof value === 'object' ? (value?.length ?? 0) : String(value).length;
    if (batch.length < BATCH_ROWS && length < BATCH_LENGTH) continue;
    yield batch;
    batch = [];
    length = 0;
  }
  if (batch.length > 0) yield batch;
}
