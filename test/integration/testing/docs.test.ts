import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { sourceOf } from '../../helpers/documentation/package-sources.ts';
import { temporaryDirectory } from '../../helpers/temporary-directory.ts';

const root = path.resolve(import.meta.dirname, '../../..');
const page = readFileSync(path.join(root, 'docs/testing.md'), 'utf8');
const programs: { title: string; code: string }[] = [];
for (const [, heading, code = ''] of page.matchAll(/^## (.+)$|^```ts\n([\s\S]*?)^```$/gm)) {
  const section = programs.at(-1);
  if (heading !== undefined) programs.push({ title: heading, code: '' });
  else if (section !== undefined) section.code = code;
}

/** Imports the sources of the packages in place of their builds. */
function fromSource(code: string): string {
  return code.replaceAll(/(?<=from ')[^']+(?=')/g, (specifier) => sourceOf(specifier) ?? specifier);
}

// They wait between attempts as long as apps do.
test.each(programs.filter(({ code }) => code !== ''))(
  'docs/testing.md: $title',
  { timeout: 120_000 },
  async ({ code }) => {
    await using directory = await temporaryDirectory();
    const file = path.join(directory.path, 'program.mts');
    await symlink(path.join(root, 'node_modules'), path.join(directory.path, 'node_modules'));
    await writeFile(file, fromSource(code));
    const { stderr } = await promisify(execFile)(process.execPath, ['--disable-warning=ExperimentalWarning', file]);
    expect(stderr).toBe('');
  },
);

test('every part has a program', () => {
  expect(programs.filter(({ code }) => code !== '')).toHaveLength(4);
});
