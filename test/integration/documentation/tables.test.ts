import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { HELP, parseCommand } from '../../../src/cli/options.ts';
import {
  CLIENT_ERROR_CODES,
  CommError,
  HTTP_STATUS,
  PUSH_SCHEMAS,
  REQUEST_SCHEMAS,
  SERVER_ERROR_CODES,
} from '../../../src/protocol/index.ts';
import { resolveConfig } from '../../../src/server/config.ts';
import { root, tableBelow } from '../../helpers/documentation/snippets.ts';

const bare = (cell = ''): string => cell.replaceAll('`', '');

test('the README lists every error code, and says rightly which are retryable', () => {
  const rows = tableBelow('README.md', 'Errors').slice(1);
  expect(rows.map(([code]) => bare(code))).toEqual([...SERVER_ERROR_CODES, ...CLIENT_ERROR_CODES]);
  for (const code of [...SERVER_ERROR_CODES, ...CLIENT_ERROR_CODES]) {
    const row = rows.find(([name]) => bare(name) === code);
    expect([code, row?.[1]]).toEqual([code, new CommError(code, '').retryable ? 'yes' : 'no']);
  }
});

test('the README lists the flags of the command line with their variables and defaults', () => {
  const rows = tableBelow('README.md', 'Running the server').slice(1);
  const flags = [...HELP.matchAll(/^ {2}(--[\w-]+) </gm)].map(([, flag]) => flag);
  expect(rows.map(([flag]) => bare(flag))).toEqual([...flags, '--trust-user-id']);
  const serve = parseCommand(['serve'], {});
  if (serve.type !== 'serve') throw new Error('serve is no command any more');
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

test('the README gives the limits of size that are kept', () => {
  const rows = tableBelow('README.md', 'Size').slice(1);
  const configured = readFileSync(path.join(root, '.size-limit.mjs'), 'utf8').matchAll(/'([\d.]+ kB)'/g);
  expect(rows.map(([, limit]) => limit)).toEqual(Array.from(configured, ([, limit]) => limit));
});

test('the options of the server are listed with their defaults', () => {
  const rows = tableBelow('docs/operations.md', 'Limits and time-outs').slice(1);
  const resolved = resolveConfig();
  expect(rows.flatMap(([name]) => bare(name).split(' · ')).toSorted()).toEqual(Object.keys(resolved).toSorted());
  const written = Object.fromEntries(rows.map(([name, value]) => [bare(name), value]));
  const numbers = Object.entries({ ...resolved }).flatMap(([name, value]) =>
    typeof value === 'number' ? [[name, value.toLocaleString('en')]] : [],
  );
  expect(written).toMatchObject(Object.fromEntries(numbers));
});

test('the additions to the protocol name requests, pushes and codes that are there', () => {
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

test('links between the pages lead somewhere', () => {
  const decisions = readdirSync(path.join(root, 'docs/decisions')).map((name) => `docs/decisions/${name}`);
  const docs = readdirSync(path.join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`);
  const broken: string[] = [];
  for (const page of ['README.md', 'CONTRIBUTING.md', ...docs, ...decisions]) {
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

function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\s-]/g, '')
      .replaceAll(' ', '-'),
  );
}
