import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fileStorage } from '../../../src/storage/file-storage.ts';
import { startChild } from '../../helpers/child-process.ts';
import { increment, put } from '../../helpers/storage-steps.ts';
import { temporaryDirectory } from '../../helpers/temporary-directory.ts';

const CHILD = './file-storage-child.ts';

test('kill -9 during writes loses no acknowledged transaction and leaves no partial one', async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, 'client.sqlite');
  const acknowledged = [0, 0, 0, 0];
  for (let round = 0; round < 5; round += 1) {
    await using child = startChild(CHILD, [path, 'write']);
    const enough = 40 + round * 55;
    await child.until((lines) => lines.length >= enough);
    await child.kill('SIGKILL');
    for (const line of child.lines) {
      const [lane = 0, n = 0] = line.split(' ').map(Number);
      acknowledged[lane] = Math.max(acknowledged[lane] ?? 0, n);
    }
    const storage = fileStorage(path);
    for (const [lane, n] of acknowledged.entries()) {
      const left = (await storage.get(`left/${String(lane)}`)) as number;
      expect(left).toBeGreaterThanOrEqual(n);
      expect(await storage.get(`right/${String(lane)}`)).toBe(left);
    }
    await storage.close();
  }
});

test('a process killed in the middle of a step leaves nothing of it and no lock', async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, 'client.sqlite');
  const storage = fileStorage(path);
  await put(storage, { n: 1 });
  await using child = startChild(CHILD, [path, 'hang']);
  await child.until((lines) => lines.includes('in the step'));
  // A read doesn't wait for the transaction of the other process.
  expect(await storage.get('n')).toBe(1);
  await child.kill('SIGKILL');
  expect(await increment(storage, 'n')).toBe(2);
  expect(await storage.list('')).toEqual([['n', 2]]);
  await storage.close();
});

test('a process that holds the lock for too long makes writes of others fail with STORAGE', async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, 'client.sqlite');
  const storage = fileStorage(path);
  await put(storage, { n: 1 });
  await using child = startChild(CHILD, [path, 'hang']);
  await child.until((lines) => lines.includes('in the step'));
  await expect(increment(storage, 'n')).rejects.toMatchObject({
    code: 'STORAGE',
    message: expect.stringContaining('lock') as string,
  });
  await child.kill('SIGKILL');
  expect(await increment(storage, 'n')).toBe(2);
  await storage.close();
});

test('processes that start at the same time on a new file create it once and lose no increment', async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, 'client.sqlite');
  const children = Array.from({ length: 4 }, () => startChild(CHILD, [path, 'count']));
  await Promise.all(children.map((child) => child.ended));
  for (const { lines } of children) expect(lines).toEqual(['done']);
  const storage = fileStorage(path);
  expect(await storage.get('n')).toBe(100);
  await storage.close();
});

test('two storages of one process share a file, and each sees what the other has written', async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, 'client.sqlite');
  const [first, second] = [fileStorage(path), fileStorage(path)];
  await put(first, { a: 1 });
  expect(await second.get('a')).toBe(1);
  const results = await Promise.all(Array.from({ length: 50 }, (_, n) => increment(n % 2 === 0 ? first : second, 'n')));
  expect(results.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, index) => index + 1));
  await first.close();
  expect(await increment(second, 'a')).toBe(2);
  await second.close();
});

test('a full disk is a STORAGE error, and the entries stored before stay readable', async ({ skip }) => {
  if (process.platform === 'win32') skip('requires a limit on the size of files');
  await using directory = await temporaryDirectory();
  const path = join(directory.path, 'client.sqlite');
  // 1,024 blocks of 512 bytes or 1 KiB, depending on the shell: the limit is hit in the write-ahead log.
  await using child = startChild(CHILD, [path, 'fill'], 'ulimit -f 1024;');
  await child.ended;
  const [refused = '', readable = ''] = child.lines;
  expect(refused).toMatch(/^STORAGE \d+$/);
  const stored = Number(refused.split(' ')[1]);
  expect(stored).toBeGreaterThan(10);
  expect(readable).toBe(`readable ${String(stored)}`);
  const storage = fileStorage(path);
  expect(await storage.get(`filler/${String(stored - 1)}`)).toBe('x'.repeat(1_000));
  expect(await storage.get(`filler/${String(stored)}`)).toBeUndefined();
  await put(storage, { 'filler/next': 'works again' });
  await storage.close();
});
