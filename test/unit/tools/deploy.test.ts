import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { HELP } from '../../../src/server/cli/options.ts';

const folder = path.resolve(import.meta.dirname, '../../../deploy');
const files = readdirSync(folder).map((name): [string, string] => [name, readFileSync(path.join(folder, name), 'utf8')]);

test.each(files)('the variables in deploy/%s are options of the server', (_, text) => {
  const names = [...new Set(text.match(/LUMEN_COMM_[A-Z_]+/g))];
  const flags = names.map((name) => `--${name.replace('LUMEN_COMM_', '').toLowerCase().replaceAll('_', '-')}`);
  expect(flags.filter((flag) => !HELP.includes(`${flag} `))).toEqual([]);
});

test('the processes of compose.yaml and of kubernetes.yaml share a database and a Redis', () => {
  for (const [name, text] of files.filter(([each]) => each.endsWith('.yaml'))) {
    for (const variable of ['LUMEN_COMM_DATABASE', 'LUMEN_COMM_REDIS', 'LUMEN_COMM_NAME']) {
      expect(text, name).toContain(variable);
    }
  }
});

test('the Dockerfile runs the server as an unprivileged user and checks its health', () => {
  const dockerfile = files.find(([name]) => name === 'Dockerfile')?.[1] ?? '';
  expect(dockerfile).toMatch(/^USER node$/m);
  expect(dockerfile).toMatch(/^HEALTHCHECK /m);
  // A shell would not pass SIGTERM on.
  expect(dockerfile).toMatch(/^CMD \[/m);
});
