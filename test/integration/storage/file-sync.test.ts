import { open, stat, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test, vi } from 'vitest';
import { fileStorage } from '../../../src/storage/file.ts';
import { increment, put } from '../../helpers/storage-steps.ts';
import { temporaryDirectory } from '../../helpers/temporary-directory.ts';

/** Where the calls of every open file can be watched, and made to fail as a broken disk does. */
let files: FileHandle;
beforeAll(async () => {
  const handle = await open(import.meta.filename);
  files = Object.getPrototypeOf(handle) as FileHandle;
  await handle.close();
});

const brokenDisk = (): Error => Object.assign(new Error('i/o error'), { code: 'EIO' });

test('a transaction resolves after its sync, and those that wait at the same time share one', async () => {
  await using directory = await temporaryDirectory();
  const storage = fileStorage(directory.path);
  await storage.get('open it');
  const order: string[] = [];
  const sync = Reflect.get(files, 'datasync');
  const syncs = vi.spyOn(files, 'datasync').mockImplementation(async function (this: FileHandle) {
    await sync.call(this);
    order.push('synced');
  });
  await Promise.all(
    Array.from({ length: 100 }, (_, n) => put(storage, { [`ann/${String(n)}`]: n }).then(() => order.push('resolved'))),
  );
  expect(order).toEqual(['synced', ...Array.from({ length: 100 }, () => 'resolved')]);
  await increment(storage, 'ann/0');
  expect(syncs).toHaveBeenCalledTimes(2);
  await storage.close();
});

test('when a sync fails, all that waited for it is refused and gone, and the storage goes on from what was kept', async () => {
  await using directory = await temporaryDirectory();
  const storage = fileStorage(directory.path);
  await put(storage, { 'ann/n': 1 });
  vi.spyOn(files, 'datasync').mockRejectedValueOnce(brokenDisk());
  const attempts = await Promise.allSettled([
    increment(storage, 'ann/n'),
    increment(storage, 'ann/n'),
    put(storage, { 'ann/other': 1 }),
    storage.get('ann/n'),
  ]);
  for (const attempt of attempts) {
    expect(attempt).toMatchObject({ status: 'rejected', reason: { code: 'STORAGE', cause: { code: 'EIO' } } });
  }
  expect(await increment(storage, 'ann/n')).toBe(2);
  await storage.close();
  expect(await storage.list('')).toEqual([['ann/n', 2]]);
  await storage.close();
});

test('not even when it could not be taken back does a refused write come back', async () => {
  await using directory = await temporaryDirectory();
  const storage = fileStorage(directory.path);
  await put(storage, { 'ann/n': 1 });
  const { size } = await stat(join(directory.path, 'journal'));
  vi.spyOn(files, 'datasync').mockRejectedValueOnce(brokenDisk());
  vi.spyOn(files, 'truncate').mockRejectedValueOnce(brokenDisk());
  await expect(increment(storage, 'ann/n')).rejects.toMatchObject({ code: 'STORAGE' });
  expect((await stat(join(directory.path, 'journal'))).size).toBeGreaterThan(size);
  expect(await storage.get('ann/n')).toBe(1);
  expect((await stat(join(directory.path, 'journal'))).size).toBe(size);
  await storage.close();
});

test('a compaction that fails leaves the journal as it was, and nobody hears of it', async () => {
  await using directory = await temporaryDirectory();
  const storage = fileStorage(directory.path);
  const value = 'x'.repeat(100_000);
  await put(storage, { 'ann/big': value });
  // Of the journal's own files only a new one is written by writeFile.
  const snapshots = vi.spyOn(files, 'writeFile').mockRejectedValue(brokenDisk());
  for (let n = 0; n < 8; n += 1) await put(storage, { 'ann/big': value, 'ann/n': n });
  expect(snapshots).toHaveBeenCalled();
  snapshots.mockRestore();
  await storage.close();
  expect(await storage.list('')).toEqual([
    ['ann/big', value],
    ['ann/n', 7],
  ]);
  await storage.close();
});
