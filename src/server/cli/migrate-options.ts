import { parseArgs, type ParseArgsOptionsConfig } from 'node:util';
import type { Environment } from '../services/files/s3-url.ts';
import { isPostgresUrl } from '../store/engine/postgres-url.ts';
import { list, Mistake, nonEmpty, variable } from './arguments.ts';

/** Options of the command `migrate`. */
export interface MigrateOptions {
  readonly from: string;
  readonly to: string;
  readonly restart: boolean;
  readonly skip: readonly string[];
}

/** Text of `migrate --help`. */
export const MIGRATE_HELP = `Usage: lumen-comm-server migrate --from <file> --to <url> [options]

Copies a SQLite database to Postgres. Stop the server first. The rows of both databases are compared at the end; after that,
start the server with --database and the same URL. The SQLite database is not changed.

  --from <file>           SQLite file                             (./comm.sqlite)
  --to <url>              postgres://…, an empty database; prefer LUMEN_COMM_TO if the URL has a password
  --skip <table>          leave out a table of your app; repeatable
  --restart               delete what an unfinished run has copied, and start again
  --help                  print this text

When the command is interrupted, run it again: it goes on where it ended. Files are not copied: start the server with the
same --files.
`;

const OPTIONS = {
  from: { type: 'string' },
  to: { type: 'string' },
  skip: { type: 'string', multiple: true },
  restart: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const satisfies ParseArgsOptionsConfig;

/** Parses the arguments after `migrate`; `help` asks for {@link MIGRATE_HELP}. */
export function parseMigrate(args: readonly string[], env: Environment): MigrateOptions | 'help' {
  const { values } = parseArgs({ args: [...args], options: OPTIONS });
  if (values.help === true) return 'help';
  const to = values.to ?? nonEmpty(env[variable('to')]);
  if (to === undefined) throw new Mistake('migrate requires --to with the URL of a Postgres database');
  if (!isPostgresUrl(to)) throw new Mistake('--to must be a URL like postgres://user@host/database');
  return {
    from: values.from ?? nonEmpty(env[variable('from')]) ?? './comm.sqlite',
    to,
    skip: values.skip ?? list(env[variable('skip')]),
    restart: values.restart ?? false,
  };
}
