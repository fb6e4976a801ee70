import { expect, test } from 'vitest';
import type { CommError } from '../../../src/protocol/errors.ts';
import { memoryStorage } from '../../../src/storage/memory.ts';
import { resilientStorage } from '../../../src/storage/resilient.ts';
import { failingStorage } from '../../helpers/failing-storage.ts';
import { describeStorage } from '../../helpers/storage-conformance.ts';
import { increment, put } from '../../helpers/storage-steps.ts';

const unexpected = (error: CommError): never => {
  throw error;
};

describeStorage('resilientStorage over a storage that works', () =>
  Promise.resolve({
    storage: resilientStorage(memoryStorage(), (error) => expect(error.cause).toBeDefined()),
    dispose: () => Promise.resolve(),
  }),
);

test('a storage that works is where everything goes', async () => {
  const primary = memoryStorage();
  const storage = resilientStorage(primary, unexpected);
  await put(storage, { 'ann/a': 1 });
  expect(await primary.get('ann/a')).toBe(1);
});

test('when the primary is full it is reported once and everything it holds goes on in memory', async () => {
  const primary = failingStorage();
  await put(primary, { 'ann/never-read': 'kept', 'ann/n': 1 });
  const reported: CommError[] = [];
  const storage = resilientStorage(primary, (error) => reported.push(error));
  primary.breakDown('writes');

  expect(await Promise.all([increment(storage, 'ann/n'), increment(storage, 'ann/n')])).toEqual([2, 3]);
  expect(await increment(storage, 'ann/n')).toBe(4);
  expect(await storage.list('ann/')).toEqual([
    ['ann/n', 4],
    ['ann/never-read', 'kept'],
  ]);
  expect(reported.map(({ code }) => code)).toEqual(['STORAGE']);
});

test('when the primary cannot even be read, what was seen through the wrapper is carried over', async () => {
  const primary = failingStorage();
  await put(primary, { 'ann/got': 'got', 'ann/list/1': 'listed', 'ann/gone': 1, 'ann/unseen': 1 });
  const reported: CommError[] = [];
  const storage = resilientStorage(primary, (error) => reported.push(error));
  await storage.get('ann/got');
  await storage.get('ann/gone');
  await storage.list('ann/list/');
  await put(storage, { 'ann/written': 'written', 'ann/gone': undefined });
  primary.breakDown('all');

  expect(await storage.list('ann/')).toEqual([
    ['ann/got', 'got'],
    ['ann/list/1', 'listed'],
    ['ann/written', 'written'],
  ]);
  expect(reported).toHaveLength(1);
});

test('a write that was under way when another failed is not lost', async () => {
  const primary = failingStorage();
  const reported: CommError[] = [];
  const storage = resilientStorage(primary, (error) => reported.push(error));
  const resume = primary.stall();
  const slow = put(storage, { 'ann/slow': 'arrives' });
  primary.breakDown('writes');
  const failed = put(storage, { 'ann/failed': 'in memory' });
  resume();
  await Promise.all([slow, failed]);
  expect(await storage.list('ann/')).toEqual([
    ['ann/failed', 'in memory'],
    ['ann/slow', 'arrives'],
  ]);
});

test('what a step throws is passed on and is no failure of the storage', async () => {
  const storage = resilientStorage(memoryStorage(), unexpected);
  const failing = storage.transact([], () => {
    throw new RangeError('mine');
  });
  await expect(failing).rejects.toThrow(RangeError);
});

test('it can be closed after its primary broke down', async () => {
  const primary = failingStorage();
  const storage = resilientStorage(primary, () => undefined);
  primary.breakDown('all');
  await put(storage, { 'ann/a': 1 });
  await expect(storage.close()).resolves.toBeUndefined();
});
