import { expect, test } from 'vitest';
import { type Command, parseCommand } from '../../../src/server/cli/options.ts';
import { snippetsOf, tableBelow } from '../../helpers/documentation/snippets.ts';

const snippets = snippetsOf('docs/deployment.md');

function codeOf(language: string): string {
  const found = snippets.find((each) => each.language === language);
  if (found === undefined) throw new Error(`docs/deployment.md has no snippet in ${language}`);
  return found.code;
}

const environment = { LUMEN_COMM_JWKS_URL: 'https://id.example.com/jwks.json' };

const served = (command: Command): unknown => (command.type === 'serve' ? command.options : command);

test('the unit of systemd starts the server behind one proxy, with its data in the directory of the service', () => {
  const [, , ...args] = /^ExecStart=(.*)$/m.exec(codeOf('ini'))?.[1]?.split(' ') ?? [];
  expect(served(parseCommand(['serve', ...args], environment))).toMatchObject({
    host: '127.0.0.1',
    database: '/var/lib/lumen-comm/comm.sqlite',
    files: { backend: '/var/lib/lumen-comm/files' },
    trustProxy: 1,
  });
});

test('the image of Docker listens on all addresses, with its data in the volume', () => {
  const command = /^CMD (\[.*\])$/m.exec(codeOf('dockerfile'))?.[1] ?? '[]';
  const [, ...args] = JSON.parse(command) as string[];
  expect(served(parseCommand(args, environment))).toMatchObject({
    host: '0.0.0.0',
    database: '/data/comm.sqlite',
    files: { backend: '/data/files' },
    trustProxy: 1,
  });
});

test('the database that is moved to Postgres is that of the service', () => {
  const found = snippets.find(({ code }) => code.includes('lumen-comm-server migrate'))?.code ?? '';
  const [, to = ''] = /^export LUMEN_COMM_TO="(.*)"$/m.exec(found) ?? [];
  const [, args = ''] = /^lumen-comm-server (.*)$/m.exec(found) ?? [];
  expect(parseCommand(args.split(' '), { LUMEN_COMM_TO: to })).toMatchObject({
    type: 'migrate',
    options: { from: '/var/lib/lumen-comm/comm.sqlite', to, restart: false },
  });
});

test('the variables of the snippets are those of the server', () => {
  const table = [
    ...tableBelow('docs/server.md', 'Command line'),
    ...tableBelow('docs/deployment.md', 'Moving from SQLite to Postgres'),
  ];
  const known = new Set(table.map(([, variable = '']) => variable.replaceAll('`', '')));
  const used = snippets.flatMap(({ code }) => Array.from(code.matchAll(/\bLUMEN_COMM_\w+/g), ([name]) => name));
  expect(used.length).toBeGreaterThan(3);
  expect(used.filter((name) => !known.has(name))).toEqual([]);
});
