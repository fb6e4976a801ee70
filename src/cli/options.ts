import { parseArgs, type ParseArgsOptionsConfig } from 'node:util';

/** What the command line and the environment ask for. */
export interface ServeOptions {
  readonly port: number;
  readonly host: string;
  readonly database: string;
  readonly origins: readonly string[];
  readonly trustUserId: boolean;
  readonly jwt: JwtSettings | undefined;
}
export type JwtSettings = ({ readonly secret: string } | { readonly jwksUrl: string }) & {
  readonly issuer?: string | undefined;
  readonly audience?: string | undefined;
};

export type Command =
  | { readonly type: 'serve'; readonly options: ServeOptions }
  | { readonly type: 'help' }
  | { readonly type: 'mistake'; readonly message: string };

type Environment = Readonly<Record<string, string | undefined>>;

export const HELP = `Usage: lumen-comm serve [options]

Serves chat on SQLite: sockets, REST, health.

  --port <number>         where to listen; 0 takes a free port    (3000)
  --host <address>                                                (127.0.0.1)
  --database <file>       a SQLite file, or :memory:              (./comm.sqlite)
  --jwt-secret <secret>   accept tokens signed with it (HS256); better given by the environment
  --jwks-url <url>        accept tokens signed with one of its keys
  --jwt-issuer <iss>      the issuer that tokens must name
  --jwt-audience <aud>    the audience that tokens must name
  --origin <origin>       let in pages from there, such as https://app.example.com; repeatable
  --trust-user-id         believe the header x-user-id and the query userId: behind a proxy that sets them
  --help

Every option has an environment variable: LUMEN_COMM_PORT, LUMEN_COMM_JWT_SECRET, LUMEN_COMM_TRUST_USER_ID=1,
LUMEN_COMM_ORIGIN=https://a.example,https://b.example and so on. Options on the command line win.

Without --jwt-secret or --jwks-url it runs in development mode: on a loopback address, outside NODE_ENV=production, it
believes everybody's user id.

GET /healthz says that it is alive, GET /readyz that it can be used. SIGTERM ends it once what runs is answered.
`;

const OPTIONS = {
  port: { type: 'string' },
  host: { type: 'string' },
  database: { type: 'string' },
  redis: { type: 'string' },
  'jwt-secret': { type: 'string' },
  'jwks-url': { type: 'string' },
  'jwt-issuer': { type: 'string' },
  'jwt-audience': { type: 'string' },
  origin: { type: 'string', multiple: true },
  'trust-user-id': { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const satisfies ParseArgsOptionsConfig;

/** Pure: what to do, or what is wrong with what was asked. Messages never quote a secret. */
export function parseCommand(args: readonly string[], env: Environment): Command {
  try {
    const { values, positionals } = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
    if (values.help === true) return { type: 'help' };
    if (positionals.length !== 1 || positionals[0] !== 'serve') throw new Mistake('Say what to do: lumen-comm serve');
    return { type: 'serve', options: serveOptions(values, env) };
  } catch (error) {
    if (error instanceof Mistake) return { type: 'mistake', message: error.message };
    // parseArgs names the option; the sentences after the first are about something else.
    if (isParseError(error)) return { type: 'mistake', message: error.message.split('. ')[0] ?? error.message };
    throw error;
  }
}

class Mistake extends Error {}

type Values = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>['values'];

function serveOptions(values: Values, env: Environment): ServeOptions {
  const text = (name: Exclude<keyof Values, 'origin' | 'trust-user-id' | 'help'>): string | undefined =>
    values[name] ?? nonEmpty(env[variable(name)]);
  const database = text('database') ?? './comm.sqlite';
  if (text('redis') !== undefined) throw new Mistake('--redis is not available yet: one process serves everybody');
  if (/^postgres(?:ql)?:/i.test(database)) {
    throw new Mistake('--database: PostgreSQL is not available yet; give a SQLite file or :memory:');
  }
  return {
    port: port(text('port') ?? '3000'),
    host: text('host') ?? '127.0.0.1',
    database,
    origins: values.origin ?? list(env[variable('origin')]),
    trustUserId: values['trust-user-id'] ?? flag(env[variable('trust-user-id')]),
    jwt: jwtSettings(text('jwt-secret'), text('jwks-url'), text('jwt-issuer'), text('jwt-audience')),
  };
}

function jwtSettings(
  secret: string | undefined,
  jwksUrl: string | undefined,
  issuer: string | undefined,
  audience: string | undefined,
): JwtSettings | undefined {
  if (secret !== undefined && jwksUrl !== undefined) throw new Mistake('Give --jwt-secret or --jwks-url, not both');
  const claims = { issuer, audience };
  if (secret !== undefined) return { secret, ...claims };
  if (jwksUrl === undefined) {
    if (issuer === undefined && audience === undefined) return undefined;
    throw new Mistake('--jwt-issuer and --jwt-audience need --jwt-secret or --jwks-url');
  }
  if (!/^https?:$/.test(URL.parse(jwksUrl)?.protocol ?? '')) throw new Mistake('--jwks-url is not an http(s) URL');
  return { jwksUrl, ...claims };
}

function port(value: string): number {
  const number = /^\d{1,5}$/.test(value) ? Number(value) : Number.NaN;
  if (number <= 65_535) return number;
  throw new Mistake('--port is a number from 0 to 65535');
}

function flag(value: string | undefined): boolean {
  const named = nonEmpty(value)?.toLowerCase();
  if (named === undefined || ['0', 'false', 'no'].includes(named)) return false;
  if (['1', 'true', 'yes'].includes(named)) return true;
  throw new Mistake(`${variable('trust-user-id')} is 1 or 0`);
}

function list(value: string | undefined): string[] {
  return (value ?? '')
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '');
}

/** An empty variable counts as none: that is how shells and compose files leave one out. */
function nonEmpty(value: string | undefined): string | undefined {
  return value === '' ? undefined : value;
}

function variable(option: string): string {
  return `LUMEN_COMM_${option.toUpperCase().replaceAll('-', '_')}`;
}

function isParseError(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS');
}
