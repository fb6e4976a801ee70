import { expect, test } from 'vitest';
import { HELP, parseCommand, type ServeOptions } from '../../../src/cli/options.ts';

const DEFAULTS: ServeOptions = {
  port: 3_000,
  host: '127.0.0.1',
  database: './comm.sqlite',
  origins: [],
  trustUserId: false,
  jwt: undefined,
};
const noClaims = { issuer: undefined, audience: undefined };

test.each<[args: string[], env: Record<string, string>, options: Partial<ServeOptions>]>([
  [[], {}, {}],
  [['--port', '0', '--host', '::1', '--database', ':memory:'], {}, { port: 0, host: '::1', database: ':memory:' }],
  [[], { LUMEN_COMM_PORT: '8080', LUMEN_COMM_HOST: '0.0.0.0' }, { port: 8_080, host: '0.0.0.0' }],
  [['--port', '1'], { LUMEN_COMM_PORT: '2' }, { port: 1 }],
  [[], { LUMEN_COMM_DATABASE: './other.sqlite' }, { database: './other.sqlite' }],
  [[], { LUMEN_COMM_PORT: '', LUMEN_COMM_JWT_SECRET: '', LUMEN_COMM_REDIS: '' }, {}],
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
    { jwt: { jwksUrl: 'https://id.example/keys', issuer: 'i', audience: 'a' } },
  ],
])('serve %j with %j', (args, env, options) => {
  expect(parseCommand(['serve', ...args], env)).toEqual({ type: 'serve', options: { ...DEFAULTS, ...options } });
});

test.each<[args: string[], env: Record<string, string>, message: RegExp]>([
  [[], {}, /lumen-comm serve/],
  [['start'], {}, /lumen-comm serve/],
  [['serve', 'more'], {}, /lumen-comm serve/],
  [['serve', '--verbose'], {}, /--verbose/],
  [['serve', '--port'], {}, /--port/],
  [['serve', '--port', 'http'], {}, /--port/],
  [['serve', '--port', '65536'], {}, /--port/],
  [['serve', '--trust-user-id=maybe'], {}, /--trust-user-id/],
  [['serve'], { LUMEN_COMM_TRUST_USER_ID: 'maybe' }, /LUMEN_COMM_TRUST_USER_ID/],
  [['serve', '--redis', 'redis://localhost'], {}, /--redis is not available yet/],
  [['serve'], { LUMEN_COMM_REDIS: 'redis://localhost' }, /--redis is not available yet/],
  [['serve', '--database', 'postgres://localhost/chat'], {}, /PostgreSQL is not available yet/],
  [['serve', '--database', 'postgresql://localhost/chat'], {}, /PostgreSQL is not available yet/],
  [['serve', '--jwt-secret', 's', '--jwks-url', 'https://id.example'], {}, /not both/],
  [['serve', '--jwks-url', 'id.example'], {}, /--jwks-url/],
  [['serve', '--jwt-audience', 'chat'], {}, /--jwt-secret or --jwks-url/],
])('%j with %j is a mistake', (args, env, message) => {
  expect(parseCommand(args, env)).toEqual({ type: 'mistake', message: expect.stringMatching(message) as unknown });
});

test('a mistake never quotes a secret', () => {
  const env = { LUMEN_COMM_JWT_SECRET: 'hush', LUMEN_COMM_DATABASE: 'postgres://user:hush@db/chat' };
  for (const args of [
    ['serve'],
    ['serve', '--jwks-url', 'https://id.example'],
    ['serve', '--jwt-secret', 'hush', 'x'],
  ]) {
    expect(JSON.stringify(parseCommand(args, env))).not.toContain('hush');
  }
});

test('help is given wherever it is asked for, and names every option', () => {
  expect(parseCommand(['--help'], {})).toEqual({ type: 'help' });
  expect(parseCommand(['serve', '-h'], {})).toEqual({ type: 'help' });
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
