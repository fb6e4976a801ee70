import { CommError, isCommError } from '../protocol/errors.ts';

/** What to do about failures of Postgres, by SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html). */
const FIXES: readonly [state: RegExp, fix: string][] = [
  [/^28/, 'Correct user and password in the URL, or pg_hba.conf of Postgres.'],
  [/^3D000$/, 'Create the database, or correct its name in the URL.'],
  [/^42501$/, 'Grant the role the right to create tables in the schema.'],
  [/^53300$/, 'Raise max_connections of Postgres: each process opens up to 10 connections.'],
  [/^57P03$/, 'Postgres is starting or in recovery: try again.'],
];
const UNREACHABLE = 'Start Postgres, or correct host and port in the URL.';

/** Returns an error that names the database and says what to do, for a server that can't be started with its Postgres. */
export function postgresFailure(error: unknown, url: string): unknown {
  if (!isCommError(error) || error.code !== 'UNAVAILABLE') return error;
  const causes: Error[] = [];
  for (let each = error.cause; each instanceof Error && causes.length < 10; each = each.cause) causes.push(each);
  if (causes.some((each) => isCommError(each) && each.code === 'UNSUPPORTED')) return error;
  const codes = causes.map((each) => String(Reflect.get(each, 'code') ?? ''));
  const [, fix = UNREACHABLE] = FIXES.find(([state]) => codes.some((code) => state.test(code))) ?? [];
  const last = causes.at(-1);
  const { host, pathname } = new URL(url);
  const why = last?.message === '' ? codes.at(-1) : last?.message;
  return new CommError('UNAVAILABLE', `Postgres at ${host}${pathname} can't be used: ${why ?? 'unknown failure'}`, {
    fix,
    cause: error.cause,
  });
}
