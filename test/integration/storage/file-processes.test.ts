import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fileStorage } from '../../../src/storage/file.ts';
import { startChild } from '../../helpers/child-process.ts';
import { increment, put } from '../../helpers/storage-steps.ts';
import { temporaryDirectory } from '../../helpers/temporary-directory.ts';

const CHILD = './file-storage-child.ts';

test('kill -9 in the middle of writes loses nothing that was promised and leaves no half transaction', async () => {
  await using directory = await temporaryDirectory();
  const promised = [0, 0, 0, 0];
  for (let round = 0; round < 5; round += 1) {
    // Enough to compact in some of the rounds.
    const enough = 40 + round * 55;
    await using child = startChild(CHILD, [directory.path, 'write']);
    await child.until((lines) => lines.length >= enough);
    await child.kill('SIGKILL');
    for (const line of child.lines) {
      const [lane = 0, n = 0] = line.split(' ').map(Number);
      promised[lane] = Math.max(promised[lane] ?? 0, n);
    }
    const storage = fileStorage(directory.path);
    for (const [lane, n] of promised.entries()) {
      const left = (await storage.get(`left/${String(lane)}`)) as number;
      expect(left).toBeGreaterThanOrEqual(n);
      expect(await storage.get(`right/${String(lane)}`)).toBe(left);
    }
    await storage.close();
  }
});

test('a second owner is refused while the first lives, and takes over when it is dead', async () => {
  await using directory = await temporaryDirectory();
  await using child = startChild(CHILD, [directory.path, 'hold']);
  await child.until((lines) => lines.includes('held'));
  const storage = fileStorage(directory.path);
  await expect(storage.get('held')).rejects.toMatchObject({
    code: 'STORAGE',
    message: expect.stringContaining(String(child.pid)) as string,
    fix: expect.stringContaining('a directory of its own') as string,
  });
  await child.kill('SIGKILL');
  expect(await storage.get('held')).toBe(true);
  await storage.close();
});

test('a second storage in the same process is refused too, until the first is closed', async () => {
  await using directory = await temporaryDirectory();
  const [first, second] = [fileStorage(directory.path), fileStorage(directory.path)];
  await put(first, { a: 1 });
  await expect(second.get('a')).rejects.toMatchObject({ code: 'STORAGE' });
  await first.close();
  expect(await second.get('a')).toBe(1);
  await second.close();
});

test.each([
  ['of a process that has ended', (own: object) => ({ ...own, pid: 2 ** 22 + 1 })],
  ['of an earlier process with the id of this one', (own: object) => ({ ...own, began: 'another boot:1' })],
  ['that is a ruin', () => 'scribble'],
])('a lock %s is taken over', async (_title, leftBehind) => {
  await using directory = await temporaryDirectory();
  const storage = fileStorage(directory.path);
  await put(storage, { a: 1 });
  const lock = join(directory.path, 'lock');
  const own = JSON.parse(await readFile(lock, 'utf8')) as object;
  await storage.close();
  await writeFile(lock, JSON.stringify(leftBehind(own)));
  expect(await storage.get('a')).toBe(1);
  await storage.close();
});

test('of several processes that find a dead owner at once, one takes over', async () => {
  await using directory = await temporaryDirectory();
  await writeFile(join(directory.path, 'lock'), JSON.stringify({ pid: 2 ** 22 + 1, token: 'dead' }));
  const children = Array.from({ length: 4 }, () => startChild(CHILD, [directory.path, 'race']));
  try {
    await Promise.all(children.map((child) => child.until((lines) => lines.length > 0)));
    expect(children.flatMap(({ lines }) => lines).toSorted()).toEqual(['STORAGE', 'STORAGE', 'STORAGE', 'won']);
  } finally {
    await Promise.all(children.map((child) => child.kill('SIGKILL')));
  }
});

test('who was taken for dead notices before it writes, and leaves the new owner alone', async () => {
  await using directory = await temporaryDirectory();
  const lock = join(directory.path, 'lock');
  const sleeper = fileStorage(directory.path);
  await put(sleeper, { a: 1 });
  await writeFile(lock, JSON.stringify({ pid: 2 ** 22 + 1, token: 'dead' }));
  const heir = fileStorage(directory.path);
  await put(heir, { a: 2 });
  await expect(increment(sleeper, 'a')).rejects.toMatchObject({ code: 'STORAGE' });
  expect(await increment(heir, 'a')).toBe(3);
  await heir.close();
  await sleeper.close();
});

test('a full disk is a STORAGE error, and what fitted stays readable and whole', async ({ skip }) => {
  if (process.platform === 'win32') skip('Needs a limit on the size of files');
  await using directory = await temporaryDirectory();
  // 64 blocks of 512 bytes or of 1 KiB, depending on the shell.
  await using child = startChild(CHILD, [directory.path, 'fill'], 'ulimit -f 64;');
  await child.ended;
  const [refused = '', readable = ''] = child.lines;
  expect(refused).toMatch(/^STORAGE \d+$/);
  const stored = Number(refused.split(' ')[1]);
  expect(stored).toBeGreaterThan(10);
  expect(readable).toBe(`readable ${String(stored)}`);
  const storage = fileStorage(directory.path);
  expect(await storage.get(`filler/${String(stored - 1)}`)).toBe('x'.repeat(1_000));
  expect(await storage.get(`filler/${String(stored)}`)).toBeUndefined();
  await put(storage, { 'filler/next': 'works again' });
  await storage.close();
});
