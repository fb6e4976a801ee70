import { CommError } from '../../protocol/errors.ts';
import { transferDatabase, type TransferProgress, type TransferResult } from '../store/transfer/transfer-database.ts';
import type { MigrateOptions } from './migrate-options.ts';

/** Rows between two lines about the same table. */
const REPORTED_ROWS = 100_000;

/** Runs the command `migrate`. @param print - receives lines */
export async function migrate(options: MigrateOptions, print: (line: string) => void): Promise<void> {
  const result = await transferDatabase({ ...options, onProgress: reporter(print) });
  print(result.wasFinished ? 'Nothing was copied: the target has this database already.' : 'All rows are copied.');
  for (const line of digestLines(result)) print(line);
  for (const key of result.violatedKeys) {
    print(
      `Note: rows refer to rows that don't exist (${key}), in both databases. The foreign key applies to new rows.`,
    );
  }
  print('Both databases have the same rows. Start the server with --database and the URL of the target.');
}

/** Returns what the user reads when the command has failed. */
export function explainMigration(error: unknown): string {
  if (error instanceof CommError) return error.fix === undefined ? error.message : `${error.message}. ${error.fix}`;
  if (!(error instanceof Error)) return 'the migration failed';
  const sentence = error.message === '' ? ((error as NodeJS.ErrnoException).code ?? error.name) : error.message;
  return `${sentence}. Run the command again to go on.`;
}

function reporter(print: (line: string) => void): (progress: TransferProgress) => void {
  let reported = 0;
  return (progress) => {
    switch (progress.step) {
      case 'begin':
        print(`${progress.isResumed ? 'Going on' : 'Beginning'} with ${progress.tables} tables.`);
        break;
      case 'copy': {
        const { table, copied, rows } = progress;
        if (copied >= rows) print(`  ${table}: ${rows} rows`);
        else if (copied - reported >= REPORTED_ROWS) print(`  ${table}: ${copied} of ${rows} rows`);
        else return;
        reported = copied >= rows ? 0 : copied;
        break;
      }
      case 'index':
        if (progress.isComplete) print('  search index: complete');
        break;
      case 'compare':
        print('Comparing all rows of both databases.');
        break;
    }
  };
}

function digestLines({ tables }: TransferResult): string[] {
  const names = Math.max(...tables.map(({ table }) => table.length));
  const counts = Math.max(...tables.map(({ rows }) => String(rows).length));
  return tables.map(
    ({ table, rows, checksum }) => `  ${table.padEnd(names)}  ${String(rows).padStart(counts)} rows  ${checksum}`,
  );
}
