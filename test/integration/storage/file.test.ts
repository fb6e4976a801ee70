import { readdir, readFile, stat, truncate, writeFile, appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fileStorage } from '../../../src/storage/file.ts';
import { describeStorage } from '../../helpers/storage-conformance.ts';
import { increment, put } from '../../helpers/storage-steps.ts';
import { temporaryDirectory } from '../../helpers/temporary-directory.ts';

describeStorage('fileStorage', async () => {
  const directory = await temporaryDirectory();
  const storage = fileStorage(directory.path);
  return {
    storage,
    reopen: async () => {
      await storage.close();
      return fileStorage(directory.path);
    },
    dispose: async () => {
      await storage.close();
      await directory[Symbol.asyncDispose]();
    },
  };
});

test('constructing it touches nothing', async () => {
  await using directory = await temporaryDirectory();
  fileStorage(join(directory.path, 'new'));
  expect(await readdir(directory.path)).toEqual([]);
});

test('an empty path is a mistake in the code', () => {
  expect(() => fileStorage('')).toThrow(TypeError);
});

test('only the owner may read the directory and its files', async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, 'deep', 'er');
  const storage = fileStorage(path);
  await put(storage, { 'ann/a': 1 });
  expect((await stat(path)).mode & 0o777).toBe(0o700);
  for (const file of await readdir(path)) expect((await stat(join(path, file))).mode & 0o777).toBe(0o600);
  await storage.close();
  expect(await readdir(path)).toEqual(['journal']);
});

test.each([
  ['half a line', Buffer.from('01234567 [["ann/torn"')],
  ['a whole line with a wrong checksum', Buffer.from('01234567 [["ann/torn",1]]\n')],
  ['zeros, as a power cut leaves them', Buffer.alloc(4_096)],
  ['a line break alone', Buffer.from('\n')],
])('a torn end is dropped and written over: %s', async (_title, torn) => {
  await using directory = await temporaryDirectory();
  const storage = fileStorage(directory.path);
  await put(storage, { 'ann/a': 1 });
  await storage.close();
  await appendFile(join(directory.path, 'journal'), torn);
  expect(await storage.list('')).toEqual([['ann/a', 1]]);
  await put(storage, { 'ann/b': 2 });
  await storage.close();
  expect(await storage.list('')).toEqual([
    ['ann/a', 1],
    ['ann/b', 2],
  ]);
  await storage.close();
});

test('a journal cut off at any byte holds a prefix of its transactions, each of them whole', async () => {
  await using directory = await temporaryDirectory();
  const storage = fileStorage(directory.path);
  const journal = join(directory.path, 'journal');
  await storage.get('ann/n');
  const header = (await stat(journal)).size;
  for (let n = 1; n <= 4; n += 1) await put(storage, { 'ann/left': n, 'ann/right': n });
  await storage.close();
  const whole = await readFile(journal);
  let previous = 0;
  for (let size = header; size <= whole.length; size += 1) {
    await writeFile(journal, whole);
    await truncate(journal, size);
    const left = ((await storage.get('ann/left')) ?? 0) as number;
    expect((await storage.get('ann/right')) ?? 0).toBe(left);
    expect(left - previous === 0 || left - previous === 1).toBe(true);
    previous = left;
    await storage.close();
  }
  expect(previous).toBe(4);
}, 120_000);

test.each([
  ['a line in the middle', (text: string) => text.replace('"ann/b"', '"ann/x"')],
  ['the header', (text: string) => text.replace('lumen-comm', 'lumen-kaput')],
  ['everything', () => ''],
])('damage that no crash makes is refused, not papered over: %s', async (_title, damage) => {
  await using directory = await temporaryDirectory();
  const storage = fileStorage(directory.path);
  for (const key of ['ann/a', 'ann/b', 'ann/c']) await put(storage, { [key]: 1 });
  await storage.close();
  const journal = join(directory.path, 'journal');
  const text = await readFile(journal, 'utf8');
  await writeFile(journal, damage(text));
  await expect(storage.get('ann/a')).rejects.toMatchObject({
    code: 'STORAGE',
    fix: expect.stringContaining('copy') as string,
  });
  await writeFile(journal, text);
  expect(await storage.list('')).toHaveLength(3);
  await storage.close();
});

test('transactions that wait at the same time are written together, in their order', async () => {
  await using directory = await temporaryDirectory();
  const storage = fileStorage(directory.path);
  const order: number[] = [];
  await Promise.all(
    Array.from({ length: 100 }, (_, n) => put(storage, { [`ann/${String(n)}`]: n }).then(() => order.push(n))),
  );
  expect(order).toEqual(Array.from({ length: 100 }, (_, n) => n));
  const lines = (await readFile(join(directory.path, 'journal'), 'utf8')).trimEnd().split('\n');
  expect(lines).toHaveLength(101);
  await storage.close();
});

test('a journal of overwritten values stays small, and compacting it loses nothing', async () => {
  await using directory = await temporaryDirectory();
  const storage = fileStorage(directory.path);
  await put(storage, { 'ann/kept': 'kept', 'ann/deleted': 1 });
  await put(storage, { 'ann/deleted': undefined });
  const value = 'x'.repeat(10_000);
  await Promise.all(Array.from({ length: 400 }, (_, n) => put(storage, { 'ann/big': value, 'ann/n': n })));
  for (let n = 0; n < 40; n += 1) await put(storage, { 'ann/big': value, 'ann/n': n });
  const { size } = await stat(join(directory.path, 'journal'));
  expect(size).toBeLessThan(1_000_000);
  await storage.close();
  expect(await storage.list('')).toEqual([
    ['ann/big', value],
    ['ann/kept', 'kept'],
    ['ann/n', 39],
  ]);
  await storage.close();
});

test('what a crash left of a compaction is of no account', async () => {
  await using directory = await temporaryDirectory();
  const storage = fileStorage(directory.path);
  await put(storage, { 'ann/a': 1 });
  await storage.close();
  await writeFile(join(directory.path, 'journal.tmp'), 'half a snapsho');
  expect(await increment(storage, 'ann/a')).toBe(2);
  await storage.close();
});

test('a path that cannot be a directory is a STORAGE error that says what to do', async () => {
  await using directory = await temporaryDirectory();
  const file = join(directory.path, 'file');
  await writeFile(file, '');
  for (const path of [file, join(file, 'below')]) {
    await expect(fileStorage(path).get('a')).rejects.toMatchObject({
      code: 'STORAGE',
      fix: expect.any(String) as string,
    });
  }
});
