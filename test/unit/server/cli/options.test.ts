import { expect, test } from 'vitest';
import { MIGRATE_HELP } from '../../../../src/server/cli/migrate-options.ts';
import { HELP, parseCommand, type ServeOptions } from '../../../../src/server/cli/options.ts';

const DEFAULTS: ServeOptions = {
  port: 3_000,
  host: '127.0.0.1',
  database: './comm.sqlite',
  redis: undefined,
  name: undefined,
  files: { backend: './comm-files', maxFileSize: 104_857_600 },
  origins: [],
  trustProxy: 0,
  limits: {},
  trustUserId: false,
  jwt: undefined,
  turn: undefined,
};
const AWS = { AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'secret' };
const noClaims = { issuer: undefined, audience: undefined, maxTokenAgeMs: 86_400_000 };

test.each<[args: string[], env: Record<string, string>, options: Partial<ServeOptions>]>([
  [[], {}, {}],
  [['--port', '0', '--host', '::1', '--database', ':memory:'], {}, { port: 0, host: '::1', database: ':memory:' }],
  [[], { LUMEN_COMM_PORT: '8080', LUMEN_COMM_HOST: '0.0.0.0' }, { port: 8_080, host: '0.0.0.0' }],
  [['--port', '1'], { LUMEN_COMM_PORT: '2' }, { port: 1 }],
  [[], { LUMEN_COMM_DATABASE: './other.sqlite' }, { database: './other.sqlite' }],
  [
    ['--database', 'postgres://db/chat', '--redis', 'redis://cache:6379', '--name', 'a'],
    {},
    { database: 'postgres://db/chat', redis: 'redis://cache:6379', name: 'a' },
  ],
  [
    [],
    { LUMEN_COMM_DATABASE: 'postgresql://db/chat', LUMEN_COMM_REDIS: 'rediss://cache', LUMEN_COMM_NAME: 'b' },
    { database: 'postgresql://db/chat', redis: 'rediss://cache', name: 'b' },
  ],
  [['--files', '/srv/files', '--max-file-size', '2'], {}, { files: { backend: '/srv/files', maxFileSize: 2_097_152 } }],
  [[], { LUMEN_COMM_FILES: './other' }, { files: { ...DEFAULTS.files, backend: './other' } }],
  [['--files', 's3://b'], AWS, { files: { ...DEFAULTS.files, backend: 's3://b' } }],
  [[], { ...AWS, LUMEN_COMM_FILES: 's3://b?region=eu' }, { files: { ...DEFAULTS.files, backend: 's3://b?region=eu' } }],
  [[], { LUMEN_COMM_PORT: '', LUMEN_COMM_JWT_SECRET: '' }, {}],
  [['--origin', 'https://a', '--origin', 'https://b'], {}, { origins: ['https://a', 'https://b'] }],
  [[], { LUMEN_COMM_ORIGIN: 'https://a, https://b' }, { origins: ['https://a', 'https://b'] }],
  [['--trust-user-id'], {}, { trustUserId: true }],
  [[], { LUMEN_COMM_TRUST_USER_ID: '1' }, { trustUserId: true }],
  [[], { LUMEN_COMM_TRUST_USER_ID: 'false' }, { trustUserId: false }],
  [['--jwt-secret', 's'], {}, { jwt: { secret: 's', ...noClaims } }],
  [[], { LUMEN_COMM_JWT_SECRET: 's' }, { jwt: { secret: 's', ...noClaims } }],
  [
    ['--jwks-url', 'https://id.example/keys', '--jwt-issuer', 'i', '--jwt-audience', 'a'],
    {},
    { jwt: { jwksUrl: 'https://id.example/keys', issuer: 'i', audience: 'a', maxTokenAgeMs: 86_400_000 } },
  ],
  [['--jwt-secret', 's', '--jwt-max-age', '2'], {}, { jwt: { secret: 's', ...noClaims, maxTokenAgeMs: 7_200_000 } }],
  [['--trust-proxy', '2'], {}, { trustProxy: 2 }],
  [[], { LUMEN_COMM_TRUST_PROXY: '1' }, { trustProxy: 1 }],
  [
    ['--turn-url', 'turn:a.example', '--turn-url', 'turns:b.example', '--turn-secret', 's', '--turn-ttl', '600'],
    {},
    { turn: { urls: ['turn:a.example', 'turns:b.example'], secret: 's', ttl: 600 } },
  ],
  [
    [],
    { LUMEN_COMM_TURN_URL: 'turn:a.example, turn:b.example', LUMEN_COMM_TURN_SECRET: 's' },
    { turn: { urls: ['turn:a.example', 'turn:b.example'], secret: 's', ttl: 86_400 } },
  ],
  [['--max-connections', '500', '--group-size', '10000'], {}, { limits: { connections: 500, groupSize: 10_000 } }],
  [
    ['--limits', '{"searchTerms":5,"groupSize":9}', '--group-size', '50'],
    {},
    { limits: { searchTerms: 5, groupSize: 50 } },
  ],
])('serve %j with %j', (args, env, options) => {
  expect(parseCommand(['serve', ...args], env)).toEqual({ type: 'serve', options: { ...DEFAULTS, ...options } });
});

test('serve is the default command', () => {
  expect(parseCommand(['--port', '1'], {})).toEqual(parseCommand(['serve', '--port', '1'], {}));
});

test.each<[args: string[], env: Record<string, string>, message: RegExp]>([
  [['start'], {}, /^Unknown command "start"; the commands are serve and migrate$/],
  [['serve', 'more'], {}, /^Unexpected argument "more"; serve takes only options$/],
  [['serve', '--verbose'], {}, /--verbose/],
  [['serve', '--port'], {}, /--port/],
  [['serve', '--port', 'http'], {}, /--port/],
  [['serve', '--port', '65536'], {}, /--port/],
  [['serve', '--trust-user-id=maybe'], {}, /--trust-user-id/],
  [['serve'], { LUMEN_COMM_TRUST_USER_ID: 'maybe' }, /LUMEN_COMM_TRUST_USER_ID/],
  [['serve', '--redis', 'redis://localhost'], {}, /^--redis requires --database postgres:/],
  [['serve', '--redis', 'localhost:6379', '--database', 'postgres://db/chat'], {}, /--redis must be a redis:/],
  [['serve', '--files', 's3://bucket'], {}, /--files: .*AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY/],
  [['serve', '--files', 's3://b?endpoint=b.example'], AWS, /--files: endpoint must be an http\(s\) URL/],
  [['serve', '--files', 's3:bucket'], AWS, /--files: files must be a directory or s3:/],
  [['serve', '--files', 's3://bucket?partsDirectory='], AWS, /--files: partsDirectory must be a directory/],
  [['serve', '--files', 's3://bucket?region=a.b'], AWS, /--files: region/],
  [['serve', '--files', 's3://..'], AWS, /--files: bucket/],
  [['serve', '--files', 'gs://bucket'], AWS, /--files: files must be a directory or s3:/],
  [['serve', '--max-file-size', '0'], {}, /--max-file-size must be a number from 1/],
  [['serve', '--jwt-secret', 's', '--jwks-url', 'https://id.example'], {}, /cannot be combined/],
  [['serve', '--jwks-url', 'id.example'], {}, /--jwks-url/],
  [['serve', '--trust-proxy', 'yes'], {}, /--trust-proxy must be a number from 0 to 10/],
  [['serve', '--group-size', '10001'], {}, /--group-size must be a number from 1 to 10000/],
  [['serve', '--max-connections', '0'], {}, /--max-connections/],
  [['serve', '--limits', '{'], {}, /--limits must be JSON/],
  [['serve', '--limits', '3'], {}, /--limits must be a JSON object/],
  [['serve', '--limits', '{"serchTerms":5}'], {}, /--limits: .*searchTerms/],
  [['serve', '--limits', '{"searchTerms":-1}'], {}, /--limits: limits.searchTerms/],
  [['serve', '--jwt-secret', 's', '--jwt-max-age', '0'], {}, /--jwt-max-age/],
  [['serve', '--jwt-max-age', '1'], {}, /--jwt-secret or --jwks-url/],
  [['serve', '--turn-url', 'turn:a.example'], {}, /--turn-url and --turn-secret/],
  [['serve', '--turn-secret', 's'], {}, /--turn-url and --turn-secret/],
  [['serve', '--turn-url', 'stun:a.example', '--turn-secret', 's'], {}, /--turn-url: .*turns: URLs/],
  [['serve', '--turn-url', 'turn:a.example', '--turn-secret', 's', '--turn-ttl', '5'], {}, /--turn-ttl/],
  [['serve', '--jwt-audience', 'chat'], {}, /--jwt-secret or --jwks-url/],
])('%j with %j is a mistake', (args, env, message) => {
  expect(parseCommand(args, env)).toEqual({ type: 'mistake', message: expect.stringMatching(message) as unknown });
});

test('error messages never contain a secret', () => {
  const env = { ...AWS, LUMEN_COMM_JWT_SECRET: 'hush', LUMEN_COMM_DATABASE: 'postgres://user:hush@db/chat' };
  for (const args of [
    ['serve', 'x'],
    ['serve', '--jwks-url', 'https://id.example'],
    ['serve', '--jwt-secret', 'hush', 'x'],
    ['serve', '--jwt-secret', 'be', 'hush'],
    ['--jwt-secret', 'be', 'hush'],
    ['--turn-secret', 'hush', '--turn-url', 'stun:x'],
    ['--turn-secret', 'be', 'hush'],
    ['--redis', 'me:hush@cache'],
    ['--redis', 'redis://me:hush@cache', '--database', ':memory:'],
    ['--files', 's3://id:hush@bucket'],
    ['--files', 's3://bucket?endpoint=https://id:hush@s3.example'],
  ]) {
    const mistake = parseCommand(args, env);
    expect(mistake.type).toBe('mistake');
    expect(JSON.stringify(mistake)).not.toContain('hush');
  }
});

test('--help is accepted anywhere, and the text names every option', () => {
  expect(parseCommand(['--help'], {})).toEqual({ type: 'help', text: HELP });
  expect(parseCommand(['serve', '-h'], {})).toEqual({ type: 'help', text: HELP });
  for (const option of [
    '--port',
    '--host',
    '--database',
    '--jwt-secret',
    '--jwks-url',
    '--origin',
    '--trust-user-id',
  ]) {
    expect(HELP).toContain(option);
  }
});

test('--version is accepted with and without a command', () => {
  expect(parseCommand(['--version'], {})).toEqual({ type: 'version' });
  expect(parseCommand(['serve', '-v'], {})).toEqual({ type: 'version' });
});

test('migrate takes its options from the command line first', () => {
  const env = { LUMEN_COMM_FROM: 'a', LUMEN_COMM_TO: 'postgres://a', LUMEN_COMM_SKIP: 'notes, pairs' };
  const to = 'postgresql://b';
  expect(parseCommand(['migrate', '--to', to, '--skip', 'one', '--skip', 'two', '--restart'], env)).toEqual({
    type: 'migrate',
    options: { from: 'a', to, skip: ['one', 'two'], restart: true },
  });
  expect(parseCommand(['migrate'], env)).toMatchObject({ options: { to: 'postgres://a', skip: ['notes', 'pairs'] } });
  expect(parseCommand(['migrate', '-h'], {})).toEqual({ type: 'help', text: MIGRATE_HELP });
});

test.each<[args: string[], message: RegExp]>([
  [[], /^migrate requires --to with the URL of a Postgres database$/],
  [['--to', 'comm.sqlite'], /^--to must be a URL like postgres:/],
  [['--to', 'postgres://a', '--port', '1'], /^Unknown option '--port'/],
  [['--to', 'postgres://a', 'comm.sqlite'], /^Unexpected argument/],
])('migrate refuses %j, without the URL', (args, message) => {
  const refusal = parseCommand(['migrate', ...args], {});
  expect(refusal).toMatchObject({ type: 'mistake', message: expect.stringMatching(message) as unknown });
  expect(JSON.stringify(refusal)).not.toContain('postgres://a');
});
