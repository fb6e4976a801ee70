#!/usr/bin/env node
import { HELP, parseCommand, type ServeOptions } from './cli/options.ts';
import { CommError } from './protocol/errors.ts';
import { createCommServer, jwtAuth } from './server/index.ts';

/** What a shell expects of a command that was called wrongly. */
const MISTAKE = 2;
/** RFC 7518, section 3.2. */
const HS256_KEY_BYTES = 32;

const command = parseCommand(process.argv.slice(2), process.env);
switch (command.type) {
  case 'help':
    process.stdout.write(HELP);
    break;
  case 'mistake':
    fail(`${command.message}\nSee lumen-comm --help.`, MISTAKE);
    break;
  case 'serve':
    await serve(command.options);
    break;
}

async function serve({ port, host, database, origins, trustUserId, jwt }: ServeOptions): Promise<void> {
  if (jwt !== undefined && 'secret' in jwt && Buffer.byteLength(jwt.secret) < HS256_KEY_BYTES) {
    process.stderr.write(`lumen-comm warning: the JWT secret should have ${HS256_KEY_BYTES} bytes or more\n`);
  }
  try {
    const auth = jwt && jwtAuth(jwt);
    const server = await createCommServer({
      port,
      host,
      database,
      auth,
      trustUserIdHeader: trustUserId,
      origin: origins,
    });
    let ending = false;
    const end = (): void => {
      // Whoever asks twice doesn't want to wait.
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

function explain(error: unknown, { host, port, database }: Pick<ServeOptions, 'host' | 'port' | 'database'>): string {
  if (!(error instanceof Error)) return 'it could not start';
  const code = 'code' in error ? error.code : undefined;
  if (code === 'EADDRINUSE') return `port ${port} on ${host} is in use`;
  if (code === 'EACCES') return `port ${port} on ${host} may not be used by this user`;
  if (code === 'ERR_SQLITE_ERROR') return `the database ${database} can't be used: ${error.message}`;
  const cause = error instanceof CommError && error.cause instanceof Error ? ` (${error.cause.message})` : '';
  const fix = error instanceof CommError && error.fix !== undefined ? `. ${error.fix}` : '';
  return `${error.message}${cause}${fix}`;
}

function fail(message: string, exitCode: number): void {
  process.stderr.write(`lumen-comm: ${message}\n`);
  process.exitCode = exitCode;
}
