import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';

const MAX_FILES = 30;
const source = path.resolve(import.meta.dirname, '../../../src');
let planted: string | undefined;

afterEach(async () => {
  if (planted !== undefined) await rm(planted, { recursive: true });
  planted = undefined;
});

/** Returns each folder that holds more than {@link MAX_FILES} files itself, with their number. */
async function crowdedFolders(root: string): Promise<string[]> {
  const counts = new Map<string, number>();
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) counts.set(entry.parentPath, (counts.get(entry.parentPath) ?? 0) + 1);
  }
  expect(counts.size).toBeGreaterThan(0);
  return Array.from(counts)
    .filter(([, count]) => count > MAX_FILES)
    .map(([folder, count]) => `${path.relative(root, folder)}: ${count}`);
}

test(`no folder of src holds more than ${MAX_FILES} files`, async () => {
  expect(await crowdedFolders(source)).toEqual([]);
});

test('a folder with one file too many is found, however deep it is', async () => {
  planted = await mkdtemp(path.join(tmpdir(), 'folders-'));
  const deep = path.join(planted, 'client', 'planted');
  await mkdir(deep, { recursive: true });
  for (let number = 0; number <= MAX_FILES; number += 1) await writeFile(path.join(deep, `${number}.ts`), '');
  expect(await crowdedFolders(planted)).toEqual([`${path.join('client', 'planted')}: ${MAX_FILES + 1}`]);
});
