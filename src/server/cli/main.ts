#!/usr/bin/env node
import type { MigrateOptions } from './migrate-options.ts';
import { parseCommand, type ServeOptions } from './options.ts';
import { VERSION } from '../../lib/version.ts';
import { CommError } from '../../protocol/errors.ts';

/** Exit code for wrong usage. */
const MISTAKE = 2;
/** Minimum key length of HS256 in bytes (RFC 7518, section 3.2). */
const HS256_KEY_BYTES = 32;

const command = parseCommand(process.argv.slice(2), process.env);
switch (command.type) {
  case 'help':
    process.stdout.write(command.text);
    break;
  case 'version':
    process.stdout.write(`${VERSION}\n`);
    break;
  case 'mistake':
    fail(`${command.message}\nSee lumen-comm-server --help.`, MISTAKE);
    break;
  case 'serve':
    await serve(command.options);
    break;
  case 'migrate':
    await migrateDatabase(command.options);
    break;
}

async function serve({
  port,
  host,
  database,
  redis,
  name,
  files,
  origins,
  trustProxy,
  limits,
  trustUserId,
  jwt,
  turn,
}: ServeOptions): Promise<void> {
  if (jwt !== undefined && 'secret' in jwt && Buffer.byteLength(jwt.secret) < HS256_KEY_BYTES) {
    process.stderr.write(`lumen-comm warning: the JWT secret should have ${HS256_KEY_BYTES} bytes or more\n`);
  }
  // Loaded on demand, so that --help and usage errors respond at once.
  const { createCommServer, jwtAuth } = await import('../index.ts');
  try {
    const auth = jwt && jwtAuth(jwt);
    const server = await createCommServer({
      port,
      host,
      database,
      redis,
      processName: name,
      files,
      auth,
      trustUserIdHeader: trustUserId,
      trustProxy,
      limits,
      turn,
      origin: origins,
    });
    let ending = false;
    const end = (): void => {
      // A second signal exits immediately.
      if (ending) process.exit(1);
      ending = true;
      void server.close().then(() => process.exit(0));
    };
    process.on('SIGTERM', end);
    process.on('SIGINT', end);
    process.stdout.write(`lumen-comm listening on ${server.url}\n`);
  } catch (error) {
    fail(explain(error, { host, port, database }), error instanceof TypeError ? MISTAKE : 1);
  }
}

async function migrateDatabase(options: MigrateOptions): Promise<void> {
  const { explainMigration, migrate } = await import('./migrate.ts');
  try {
    await migrate(options, (line) => process.stdout.write(`${line}\n`));
  } catch (error) {
    fail(explainMigration(error), 1);
  }
}

function explain(error: unknown, { host, port, database }: Pick<ServeOptions, 'host' | 'port' | 'database'>): string {
  if (!(error instanceof Error)) return 'the server failed to start';
  const code = 'code' in error ? error.code : undefined;
  if (code === 'EADDRINUSE') return `port ${port} on ${host} is in use`;
  if (code === 'EACCES') return `port ${port} on ${host} requires more privileges`;
  if (code === 'ERR_SQLITE_ERROR') return `the database ${database} can't be used: ${error.message}`;
  const { cause: inner } = error;
  const cause = error instanceof CommError && inner instanceof Error ? ` (${inner.message})` : '';
  const advice =
    error instanceof CommError ? (error.fix ?? (inner instanceof CommError ? inner.fix : undefined)) : undefined;
  const fix = advice === undefined ? '' : `. ${advice}`;
  return `${error.message}${cause}${fix}`;
}

function fail(message: string, exitCode: number): void {
  process.stderr.write(`lumen-comm: ${message}\n`);
  process.exitCode = exitCode;
}
