import { execFile } from 'node:child_process';
import { appendFile, chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync, StatementSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { CommStorage } from '../../../src/storage/comm-storage.ts';
import { fileStorage } from '../../../src/storage/file-storage.ts';
import { describeStorage } from '../../helpers/storage-conformance.ts';
import { increment, put } from '../../helpers/storage-steps.ts';
import { temporaryDirectory } from '../../helpers/temporary-directory.ts';

const FILE = 'client.sqlite';

describeStorage('fileStorage', async () => {
  const directory = await temporaryDirectory();
  const storage = fileStorage(join(directory.path, FILE));
  return {
    storage,
    reopen: async () => {
      await storage.close();
      return fileStorage(join(directory.path, FILE));
    },
    dispose: async () => {
      await storage.close();
      await directory[Symbol.asyncDispose]();
    },
  };
});

/** A storage in a new directory. Both are removed when the test has finished. */
async function newStorage(): Promise<{ storage: CommStorage; directory: string; path: string }> {
  const directory = await temporaryDirectory();
  const path = join(directory.path, FILE);
  const storage = fileStorage(path);
  onTestFinished(async () => {
    await storage.close();
    await directory[Symbol.asyncDispose]();
  });
  return { storage, directory: directory.path, path };
}

test('constructing a storage creates no file', async () => {
  const { directory } = await newStorage();
  expect(await readdir(directory)).toEqual([]);
});

test('an empty path is a TypeError', () => {
  expect(() => fileStorage('')).toThrow(TypeError);
});

test('a runtime without node:sqlite is UNSUPPORTED', () => {
  vi.spyOn(process, 'getBuiltinModule').mockReturnValue(undefined);
  expect(() => fileStorage('client.sqlite')).toThrow(
    expect.objectContaining({ code: 'UNSUPPORTED', fix: expect.stringContaining('22.13') as string }),
  );
});

test('using a storage prints no warning', async () => {
  const { path } = await newStorage();
  const module = join(import.meta.dirname, '../../../src/node/index.ts');
  const program = `
    const { fileStorage } = await import(${JSON.stringify(module)});
    const storage = fileStorage(${JSON.stringify(path)});
    await storage.transact([], () => ({ writes: new Map([['a', 1]]), result: undefined }));
    process.emitWarning('other warnings are printed');
  `;
  const { stderr } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program]);
  expect(stderr).toContain('other warnings are printed');
  expect(stderr).not.toContain('SQLite');
});

test('only the owner may read the file, the files that SQLite keeps next to it, and the created directories', async () => {
  const { directory } = await newStorage();
  const parent = join(directory, 'deep', 'er');
  const storage = fileStorage(join(parent, FILE));
  await put(storage, { 'ann/a': 1 });
  expect((await stat(parent)).mode & 0o777).toBe(0o700);
  expect((await readdir(parent)).toSorted()).toEqual([FILE, `${FILE}-shm`, `${FILE}-wal`]);
  for (const file of await readdir(parent)) expect((await stat(join(parent, file))).mode & 0o777).toBe(0o600);
  await storage.close();
  expect(await readdir(parent)).toEqual([FILE]);
});

test('transactions of one turn of the event loop are committed together, in their order', async () => {
  const { storage } = await newStorage();
  await storage.get('ann/open');
  const exec = vi.spyOn(DatabaseSync.prototype, 'exec');
  const order: number[] = [];
  await Promise.all(
    Array.from({ length: 100 }, (_, n) => put(storage, { [`ann/${String(n)}`]: n }).then(() => order.push(n))),
  );
  expect(order).toEqual(Array.from({ length: 100 }, (_, n) => n));
  expect(exec.mock.calls.flat()).toEqual(['BEGIN IMMEDIATE', 'COMMIT']);
});

test('a transaction resolves after its commit', async () => {
  const { storage, path } = await newStorage();
  await put(storage, { 'ann/a': 1 });
  const other = new DatabaseSync(path, { readOnly: true });
  expect(other.prepare('SELECT value FROM entries').all()).toEqual([{ value: '1' }]);
  other.close();
});

test('commits are flushed to the disk, and deleted content is overwritten', async () => {
  const { storage, path } = await newStorage();
  const prepare = vi.spyOn(DatabaseSync.prototype, 'prepare');
  await put(storage, { 'ann/key': 'a-secret-that-is-deleted', 'ann/other': 1 });
  const database = prepare.mock.contexts[0] as DatabaseSync;
  expect(database.prepare('PRAGMA synchronous').get()).toEqual({ synchronous: 2 });
  expect(database.prepare('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'wal' });
  await storage.close();
  expect(await readFile(path, 'latin1')).toContain('a-secret-that-is-deleted');
  await put(storage, { 'ann/key': undefined });
  await storage.close();
  expect(await readFile(path, 'latin1')).not.toContain('a-secret-that-is-deleted');
});

test('if the commit fails, all its transactions reject and are rolled back, and the next ones succeed', async () => {
  const { storage } = await newStorage();
  await put(storage, { 'ann/n': 1 });
  const exec = Reflect.get(DatabaseSync.prototype, 'exec');
  const spy = vi.spyOn(DatabaseSync.prototype, 'exec').mockImplementation(function (this: DatabaseSync, sql) {
    if (sql === 'COMMIT') throw Object.assign(new Error('disk I/O error'), { code: 'ERR_SQLITE_ERROR', errcode: 1034 });
    return exec.call(this, sql);
  });
  const attempts = await Promise.allSettled([
    increment(storage, 'ann/n'),
    increment(storage, 'ann/n'),
    put(storage, { 'ann/other': 1 }),
    storage.get('ann/n'),
  ]);
  spy.mockRestore();
  for (const attempt of attempts) {
    expect(attempt).toMatchObject({ status: 'rejected', reason: { code: 'STORAGE', cause: { errcode: 1034 } } });
  }
  expect(await increment(storage, 'ann/n')).toBe(2);
  expect(await storage.list('')).toEqual([['ann/n', 2]]);
});

test('if a write fails, the other transactions of its commit are rolled back too', async () => {
  const { storage } = await newStorage();
  await put(storage, { 'ann/n': 1 });
  const run = Reflect.get(StatementSync.prototype, 'run');
  let writes = 0;
  const spy = vi.spyOn(StatementSync.prototype, 'run').mockImplementation(function (
    this: StatementSync,
    ...values: unknown[]
  ) {
    writes += 1;
    if (writes === 2) throw Object.assign(new Error('database is full'), { code: 'ERR_SQLITE_ERROR', errcode: 13 });
    return Reflect.apply(run, this, values) as ReturnType<typeof run>;
  });
  const attempts = await Promise.allSettled([put(storage, { 'ann/a': 1 }), put(storage, { 'ann/b': 1 })]);
  spy.mockRestore();
  for (const attempt of attempts)
    expect(attempt).toMatchObject({ reason: { code: 'STORAGE', message: 'The disk is full' } });
  expect(await storage.list('')).toEqual([['ann/n', 1]]);
});

test.each([
  ['no database', (path: string) => writeFile(path, 'x'.repeat(5_000))],
  [
    'a database of another application',
    async (path: string) => {
      await writeFile(path, '');
      const other = new DatabaseSync(path);
      other.exec('CREATE TABLE entries (mine TEXT)');
      other.close();
    },
  ],
  [
    'a database of a newer version',
    async (path: string) => {
      await put(fileStorage(path), { 'ann/a': 1 });
      const newer = new DatabaseSync(path);
      newer.exec('PRAGMA user_version = 2');
      newer.close();
    },
  ],
])('a file that is %s is a STORAGE error and stays as it is', async (_title, write) => {
  const { storage, path } = await newStorage();
  await write(path);
  const before = await readFile(path);
  await expect(storage.get('ann/a')).rejects.toMatchObject({ code: 'STORAGE', fix: expect.any(String) as string });
  await expect(put(storage, { 'ann/a': 1 })).rejects.toMatchObject({ code: 'STORAGE' });
  expect((await readFile(path)).equals(before)).toBe(true);
});

test('a damaged page is a STORAGE error that says how to recover', async () => {
  const { storage, path } = await newStorage();
  await put(storage, Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`ann/${n}`, 'x'.repeat(500)])));
  await storage.close();
  const bytes = await readFile(path);
  bytes.fill(0xff, 4_096);
  await writeFile(path, bytes);
  await expect(storage.list('')).rejects.toMatchObject({
    code: 'STORAGE',
    message: expect.stringContaining('damaged') as string,
    fix: expect.stringContaining('backup') as string,
  });
});

test('bytes that a crash left at the end of the write-ahead log are ignored', async () => {
  const { storage, directory, path } = await newStorage();
  await put(storage, { 'ann/a': 1 });
  const copy = join(directory, 'copy.sqlite');
  for (const suffix of ['', '-wal']) await writeFile(copy + suffix, await readFile(path + suffix));
  await appendFile(`${copy}-wal`, Buffer.alloc(6_000, 0x5a));
  const crashed = fileStorage(copy);
  expect(await increment(crashed, 'ann/a')).toBe(2);
  await crashed.close();
});

test('a path that is not a file in a directory is a STORAGE error that says what to do', async () => {
  const { directory } = await newStorage();
  const file = join(directory, 'file');
  await writeFile(file, '');
  for (const path of [directory, join(file, 'below')]) {
    await expect(fileStorage(path).get('a')).rejects.toMatchObject({
      code: 'STORAGE',
      fix: expect.stringContaining('path of a file') as string,
    });
  }
});

test('a directory without write permission is a STORAGE error', async ({ skip }) => {
  if (process.getuid?.() === 0) skip('root may write everywhere');
  const { directory } = await newStorage();
  const readOnly = join(directory, 'read-only');
  await mkdir(readOnly);
  await chmod(readOnly, 0o500);
  await expect(fileStorage(join(readOnly, FILE)).get('a')).rejects.toMatchObject({
    code: 'STORAGE',
    fix: expect.stringContaining('permission') as string,
  });
});
