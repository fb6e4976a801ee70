import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { explainFailure } from '../../../src/client/connection/explain-failure.ts';
import { MIGRATE_HELP } from '../../../src/server/cli/migrate-options.ts';
import { HELP, parseCommand } from '../../../src/server/cli/options.ts';
import {
  CLIENT_ERROR_CODES,
  CommError,
  CONNECT_FAULTS,
  CREDENTIAL_FAULTS,
  HTTP_STATUS,
  PUSH_SCHEMAS,
  REQUEST_SCHEMAS,
  SERVER_ERROR_CODES,
} from '../../../src/protocol/index.ts';
import { resolveConfig } from '../../../src/server/config.ts';
import { DEFAULT_LIMITS, type RateLimit } from '../../../src/server/services/limits/server-limits.ts';
import { PAGES, root, tableBelow } from '../../helpers/documentation/snippets.ts';

const bare = (cell = ''): string => cell.replaceAll('`', '');

test('the table of error codes is complete and names the retryable ones', () => {
  const rows = tableBelow('docs/errors.md', 'Codes').slice(1);
  expect(rows.map(([code]) => bare(code))).toEqual([...SERVER_ERROR_CODES, ...CLIENT_ERROR_CODES]);
  for (const code of [...SERVER_ERROR_CODES, ...CLIENT_ERROR_CODES]) {
    const row = rows.find(([name]) => bare(name) === code);
    expect([code, row?.[1]]).toEqual([code, new CommError(code, '').retryable ? 'yes' : 'no']);
  }
});

test('the table of reasons is complete and has their codes', () => {
  const rows = tableBelow('docs/troubleshooting.md', 'Reasons').slice(1);
  const target = { origin: 'http://chat', path: '/p/', namespace: '/n', pageOrigin: undefined };
  const failure = new CommError('DISCONNECTED', '');
  expect(rows.map(([reason, code]) => [bare(reason), bare(code)])).toEqual(
    [...CONNECT_FAULTS, ...CREDENTIAL_FAULTS].map((reason) => [reason, explainFailure(reason, target, failure).code]),
  );
});

test('the table of command line flags has their variables and defaults', () => {
  const rows = tableBelow('docs/server.md', 'Command line').slice(1);
  const flags = [...HELP.matchAll(/^ {2}(--[\w-]+) /gm)].map(([, flag]) => flag);
  expect([...rows.map(([flag]) => bare(flag)), '--help', '--version']).toEqual(flags);
  const serve = parseCommand(['serve'], {});
  if (serve.type !== 'serve') throw new Error('The command serve does not exist');
  const variables = rows.map(([flag]) => `LUMEN_COMM_${bare(flag).slice(2).replaceAll('-', '_').toUpperCase()}`);
  expect(rows.map(([, variable]) => bare(variable))).toEqual(variables);
  const { port, host, database } = serve.options;
  const defaults = rows.slice(0, 3).map(([flag, , value]) => [bare(flag), bare(value)]);
  expect(defaults).toEqual([
    ['--port', String(port)],
    ['--host', host],
    ['--database', database],
  ]);
});

test('the table of the flags of migrate has their variables and defaults', () => {
  const rows = tableBelow('docs/deployment.md', 'Moving from SQLite to Postgres').slice(1);
  const flags = [...MIGRATE_HELP.matchAll(/^ {2}(--[\w-]+) /gm)].map(([, flag]) => flag);
  expect([...rows.map(([flag]) => bare(flag)), '--help']).toEqual(flags);
  const values: Record<string, string> = { '--from': 'a', '--to': 'postgres://b', '--skip': 'c' };
  const env = Object.fromEntries(
    rows.flatMap(([flag, variable]) => (variable === '' ? [] : [[bare(variable), values[bare(flag)] ?? '']])),
  );
  const options = { from: 'a', to: 'postgres://b', skip: ['c'], restart: false };
  expect(parseCommand(['migrate'], env)).toEqual({ type: 'migrate', options });
  const defaults = parseCommand(['migrate', '--to', 'postgres://b'], {});
  expect(defaults).toMatchObject({ options: { from: bare(rows[0]?.[2]), skip: [] } });
});

test('the table of bundle sizes has the configured limits', () => {
  const rows = tableBelow('docs/bundle-size.md', 'Limits').slice(1);
  const configured = readFileSync(path.join(root, 'scripts/size-checks.ts'), 'utf8').matchAll(/'([\d.]+ kB)'/g);
  expect(rows.map(([, limit]) => limit)).toEqual(Array.from(configured, ([, limit]) => limit));
});

test('the table of server options is complete and has the defaults', () => {
  const rows = tableBelow('docs/operations.md', 'Options').slice(1);
  const resolved = resolveConfig();
  expect(rows.flatMap(([name]) => bare(name).split(' · ')).toSorted()).toEqual(Object.keys(resolved).toSorted());
  const written = Object.fromEntries(rows.map(([name, value]) => [bare(name), value]));
  const numbers = Object.entries({ ...resolved }).flatMap(([name, value]) =>
    typeof value === 'number' ? [[name, value.toLocaleString('en')]] : [],
  );
  expect(written).toMatchObject(Object.fromEntries(numbers));
});

test('the table of limits is complete and has the defaults', () => {
  const rows = tableBelow('docs/operations.md', 'Limits').slice(1);
  const written = rows.map(([name, value]) => [bare(name), value]);
  const expected = Object.entries(DEFAULT_LIMITS).map(([name, value]: [string, number | RateLimit]) => {
    if (typeof value === 'number') return [name, value.toLocaleString('en')];
    const rate =
      value.perSecond < 1 ? `${value.perSecond * 60} per minute` : `${value.perSecond.toLocaleString('en')} per second`;
    return [name, `${value.burst.toLocaleString('en')} at once, ${rate}`];
  });
  expect(written).toEqual(expected);
});

test('the protocol additions name existing requests, pushes and status codes', () => {
  const names = (heading: string): string[] =>
    tableBelow('docs/protocol-additions.md', heading)
      .slice(1)
      .flatMap(([cell]) => bare(cell).split(', '));
  const page = 'docs/protocol-additions.md';
  expect(Object.keys(REQUEST_SCHEMAS)).toEqual(expect.arrayContaining(names('Requests')));
  expect(Object.keys(PUSH_SCHEMAS)).toEqual(expect.arrayContaining(names('Pushes')));
  const codes = tableBelow(page, 'Answers')
    .slice(1)
    .map(([code, status]) => [bare(code), Number(status)]);
  expect(Object.fromEntries(codes)).toEqual(HTTP_STATUS);
});

test('links between the pages lead to existing files and headings', () => {
  const broken: string[] = [];
  for (const page of ['CONTRIBUTING.md', 'CHANGELOG.md', ...PAGES]) {
    const text = readFileSync(path.join(root, page), 'utf8');
    for (const [, target = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target)) continue;
      const [file = '', anchor] = target.split('#');
      const linked = file === '' ? path.join(root, page) : path.join(root, path.dirname(page), file);
      if (!existsSync(linked)) broken.push(`${page}: ${target}`);
      else if (anchor !== undefined && !anchorsOf(readFileSync(linked, 'utf8')).includes(anchor))
        broken.push(`${page}: ${target}`);
    }
  }
  expect(broken).toEqual([]);
});

test('the pages name existing source files', () => {
  const missing: string[] = [];
  for (const page of ['CONTRIBUTING.md', ...PAGES]) {
    const text = readFileSync(path.join(root, page), 'utf8');
    for (const [, file = ''] of text.matchAll(/`((?:src|test|scripts|playground|packages)\/[\w./-]+)`/g)) {
      if (!existsSync(path.join(root, file))) missing.push(`${page}: ${file}`);
    }
  }
  expect(missing).toEqual([]);
});

function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\s-]/g, '')
      .replaceAll(' ', '-'),
  );
}
