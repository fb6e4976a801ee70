import { isRedisUrl } from '../cluster/redis-connection.ts';
import { isPostgresUrl } from '../store/engine/postgres-url.ts';
import { resolveTurn, type TurnConfig } from '../config.ts';
import { resolveLimits, type ServerLimits } from '../services/limits/server-limits.ts';
import type { FilesOptions } from '../services/files/files-config.ts';
import { s3Storage } from '../services/files/s3-storage.ts';
import { isStorageUrl, parseStorageUrl, type Environment } from '../services/files/s3-url.ts';
import { parseArgs, type ParseArgsOptionsConfig } from 'node:util';
import { list, Mistake, nonEmpty, variable } from './arguments.ts';
import { MIGRATE_HELP, parseMigrate, type MigrateOptions } from './migrate-options.ts';

/** Options of the command `serve`, from the command line and the environment. */
export interface ServeOptions {
  readonly port: number;
  readonly host: string;
  readonly database: string;
  readonly redis: string | undefined;
  readonly name: string | undefined;
  readonly files: Pick<FilesOptions, 'maxFileSize'> & { readonly backend: string };
  readonly origins: readonly string[];
  readonly trustProxy: number;
  readonly limits: Partial<ServerLimits>;
  readonly trustUserId: boolean;
  readonly jwt: JwtSettings | undefined;
  readonly turn: TurnConfig | undefined;
}
/** How tokens are verified. */
export type JwtSettings = ({ readonly secret: string } | { readonly jwksUrl: string }) & {
  readonly issuer?: string | undefined;
  readonly audience?: string | undefined;
  readonly maxTokenAgeMs: number;
};

/** What the command line asks for. */
export type Command =
  | { readonly type: 'serve'; readonly options: ServeOptions }
  | { readonly type: 'migrate'; readonly options: MigrateOptions }
  | { readonly type: 'help'; readonly text: string }
  | { readonly type: 'version' }
  | { readonly type: 'mistake'; readonly message: string };

/** Text of `--help`. */
export const HELP = `Usage: lumen-comm-server [serve] [options]
       lumen-comm-server migrate --from <file> --to <url>

Runs the server on SQLite or Postgres: sockets, REST, files, health checks. The command migrate copies a SQLite database to
Postgres; see lumen-comm-server migrate --help.

  --port <number>         TCP port; 0 selects a free port         (3000)
  --host <address>        address to listen on                    (127.0.0.1)
  --database <file|url>   SQLite file, :memory: or postgres://…   (./comm.sqlite)
  --redis <url>           redis://…, for several processes on one Postgres; prefer the environment variable for passwords
  --name <name>           name of the process in logs and /readyz         (with --redis: host name and process id)
  --files <directory>     where uploaded files are stored         (./comm-files)
                          or s3://bucket?region=…&endpoint=…, with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
  --max-file-size <MiB>   maximum size of a file                  (100)
  --jwt-secret <secret>   accept JWTs signed with this secret (HS256); prefer the environment variable
  --jwks-url <url>        accept JWTs signed with a key of this JSON Web Key Set
  --jwt-issuer <iss>      required issuer of JWTs
  --jwt-audience <aud>    required audience of JWTs
  --jwt-max-age <hours>   longest validity of JWTs, from their iat        (24)
  --origin <origin>       allow pages of this origin, such as https://app.example.com; repeatable
  --trust-proxy <number>  number of proxies in front; reads X-Forwarded-For and X-Forwarded-Proto   (0)
  --max-connections <n>   connections of the process                      (10000)
  --group-size <number>   participants of one conversation, at most 10000 (1000)
  --limits <json>         other limits, such as '{"messages":{"burst":500,"perSecond":50}}'
  --turn-url <url>        TURN server of calls, such as turn:turn.example.com:3478; repeatable
  --turn-secret <secret>  secret shared with the TURN servers; prefer the environment variable
  --turn-ttl <seconds>    validity of TURN credentials                    (86400)
  --trust-user-id         accept the header x-user-id unverified; requires a proxy that sets it
  --help                  print this text
  --version               print the version

Each option has an environment variable: LUMEN_COMM_PORT, LUMEN_COMM_JWT_SECRET, LUMEN_COMM_TRUST_USER_ID=1,
LUMEN_COMM_ORIGIN=https://a.example,https://b.example and so on. The command line takes precedence.

Without --jwt-secret and --jwks-url the server runs in development mode and accepts user ids unverified. Development
mode requires a loopback address and is refused with NODE_ENV=production.

GET /healthz reports liveness, GET /readyz readiness. SIGTERM shuts the server down after running requests are complete.
`;

const OPTIONS = {
  port: { type: 'string' },
  host: { type: 'string' },
  database: { type: 'string' },
  redis: { type: 'string' },
  name: { type: 'string' },
  files: { type: 'string' },
  'max-file-size': { type: 'string' },
  'jwt-secret': { type: 'string' },
  'jwks-url': { type: 'string' },
  'jwt-issuer': { type: 'string' },
  'jwt-audience': { type: 'string' },
  'jwt-max-age': { type: 'string' },
  'trust-proxy': { type: 'string' },
  'max-connections': { type: 'string' },
  'group-size': { type: 'string' },
  limits: { type: 'string' },
  origin: { type: 'string', multiple: true },
  'turn-url': { type: 'string', multiple: true },
  'turn-secret': { type: 'string' },
  'turn-ttl': { type: 'string' },
  'trust-user-id': { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean', short: 'v' },
} as const satisfies ParseArgsOptionsConfig;

/** Parses the command line. Pure. Messages never contain a secret. */
export function parseCommand(args: readonly string[], env: Environment): Command {
  try {
    if (args[0] === 'migrate') {
      const options = parseMigrate(args.slice(1), env);
      return options === 'help' ? { type: 'help', text: MIGRATE_HELP } : { type: 'migrate', options };
    }
    const { values, positionals } = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
    if (values.help === true) return { type: 'help', text: HELP };
    if (values.version === true) return { type: 'version' };
    const [name = 'serve', ...others] = positionals;
    // Part of a secret with spaces would be a positional argument, too.
    const secrets = ['jwt-secret', 'turn-secret'] as const;
    const hasSecret = secrets.some((name) => values[name] !== undefined);
    const quoted = (argument: string): string => (hasSecret ? '' : ` "${argument}"`);
    if (name !== 'serve') throw new Mistake(`Unknown command${quoted(name)}; the commands are serve and migrate`);
    if (others[0] !== undefined) throw new Mistake(`Unexpected argument${quoted(others[0])}; serve takes only options`);
    return { type: 'serve', options: serveOptions(values, env) };
  } catch (error) {
    if (error instanceof Mistake) return { type: 'mistake', message: error.message };
    // parseArgs names the option in the first sentence; the following ones are about positional arguments.
    if (isParseError(error)) return { type: 'mistake', message: error.message.split('. ')[0] ?? error.message };
    throw error;
  }
}

type Values = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>['values'];

function serveOptions(values: Values, env: Environment): ServeOptions {
  const text = (name: Exclude<keyof Values, 'origin' | 'turn-url' | Flag | 'help' | 'version'>): string | undefined =>
    values[name] ?? nonEmpty(env[variable(name)]);
  const database = text('database') ?? './comm.sqlite';
  const redis = text('redis');
  if (redis !== undefined && !isRedisUrl(redis)) throw new Mistake('--redis must be a redis:// or rediss:// URL');
  if (redis !== undefined && !isPostgresUrl(database)) {
    throw new Mistake('--redis requires --database postgres://…, because processes can not share a SQLite file');
  }
  return {
    port: wholeNumber('--port', text('port') ?? '3000', 0, 65_535),
    host: text('host') ?? '127.0.0.1',
    database,
    redis,
    name: text('name'),
    files: {
      backend: placeOfFiles(text('files') ?? './comm-files', env),
      maxFileSize: MIB * wholeNumber('--max-file-size', text('max-file-size') ?? '100', 1, MAX_FILE_SIZE_MIB),
    },
    origins: values.origin ?? list(env[variable('origin')]),
    trustProxy: wholeNumber('--trust-proxy', text('trust-proxy') ?? '0', 0, 10),
    limits: {
      ...limitsOf(text('limits')),
      ...optional('connections', '--max-connections', text('max-connections'), MAX_CONNECTIONS),
      ...optional('groupSize', '--group-size', text('group-size'), 10_000),
    },
    trustUserId: flag('trust-user-id', values, env),
    jwt: jwtSettings({
      secret: text('jwt-secret'),
      jwksUrl: text('jwks-url'),
      issuer: text('jwt-issuer'),
      audience: text('jwt-audience'),
      maxAge: text('jwt-max-age'),
    }),
    turn: turnOptions(values['turn-url'] ?? list(env[variable('turn-url')]), text('turn-secret'), text('turn-ttl')),
  };
}

function turnOptions(urls: string[], secret: string | undefined, ttl: string | undefined): TurnConfig | undefined {
  if (urls.length === 0 && secret === undefined && ttl === undefined) return undefined;
  if (urls.length === 0 || secret === undefined) throw new Mistake('--turn-url and --turn-secret require each other');
  const options = { urls, secret, ttl: wholeNumber('--turn-ttl', ttl ?? '86400', 60, 604_800) };
  try {
    resolveTurn(options);
  } catch (error) {
    throw new Mistake(`--turn-url: ${error instanceof Error ? error.message : 'is not valid'}`);
  }
  return options;
}

interface JwtValues {
  readonly secret: string | undefined;
  readonly jwksUrl: string | undefined;
  readonly issuer: string | undefined;
  readonly audience: string | undefined;
  readonly maxAge: string | undefined;
}

function jwtSettings({ secret, jwksUrl, issuer, audience, maxAge }: JwtValues): JwtSettings | undefined {
  if (secret !== undefined && jwksUrl !== undefined)
    throw new Mistake('--jwt-secret and --jwks-url cannot be combined');
  const maxTokenAgeMs = wholeNumber('--jwt-max-age', maxAge ?? '24', 1, MAX_TOKEN_AGE_HOURS) * HOUR_MS;
  const claims = { issuer, audience, maxTokenAgeMs };
  if (secret !== undefined) return { secret, ...claims };
  if (jwksUrl === undefined) {
    if (issuer === undefined && audience === undefined && maxAge === undefined) return undefined;
    throw new Mistake('--jwt-issuer, --jwt-audience and --jwt-max-age require --jwt-secret or --jwks-url');
  }
  if (!/^https?:$/.test(URL.parse(jwksUrl)?.protocol ?? '')) throw new Mistake('--jwks-url must be an http(s) URL');
  return { jwksUrl, ...claims };
}

const HOUR_MS = 60 * 60 * 1_000;
/** Ten years. */
const MAX_TOKEN_AGE_HOURS = 87_600;
const MAX_CONNECTIONS = 1_000_000;
const MIB = 1_024 * 1_024;
const MAX_FILE_SIZE_MIB = 102_400;

/** Returns the directory or URL of the files, if it is valid. */
function placeOfFiles(files: string, env: Environment): string {
  if (!isStorageUrl(files)) return files;
  try {
    s3Storage(parseStorageUrl(files, env));
  } catch (error) {
    throw new Mistake(`--files: ${error instanceof Error ? error.message : 'is not valid'}`);
  }
  return files;
}

function wholeNumber(name: string, value: string, min: number, max: number): number {
  const number = /^\d{1,7}$/.test(value) ? Number(value) : Number.NaN;
  if (number >= min && number <= max) return number;
  throw new Mistake(`${name} must be a number from ${min} to ${max}`);
}

/** Parses limits as the option `limits` of `createCommServer` takes them. */
function limitsOf(json: string | undefined): Partial<ServerLimits> {
  if (json === undefined) return {};
  let limits: unknown;
  try {
    limits = JSON.parse(json);
  } catch {
    throw new Mistake('--limits must be JSON');
  }
  if (typeof limits !== 'object' || limits === null) throw new Mistake('--limits must be a JSON object');
  try {
    resolveLimits(limits);
  } catch (error) {
    throw new Mistake(`--limits: ${error instanceof Error ? error.message : 'is not valid'}`);
  }
  return limits;
}

/** Returns an object with the limit if the flag was given. */
function optional(
  limit: 'connections' | 'groupSize',
  name: string,
  value: string | undefined,
  max: number,
): Partial<ServerLimits> {
  return value === undefined ? {} : { [limit]: wholeNumber(name, value, 1, max) };
}

type Flag = 'trust-user-id';

function flag(name: Flag, values: Values, env: Environment): boolean {
  if (values[name] !== undefined) return values[name];
  const named = nonEmpty(env[variable(name)])?.toLowerCase();
  if (named === undefined || ['0', 'false', 'no'].includes(named)) return false;
  if (['1', 'true', 'yes'].includes(named)) return true;
  throw new Mistake(`${variable(name)} must be 1 or 0`);
}

function isParseError(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS');
}
