import { describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/lib/clock.ts';
import type { CommError } from '../../../src/protocol/errors.ts';
import { memoryStorage } from '../../../src/storage/memory-storage.ts';
import { resilientStorage } from '../../../src/storage/resilient-storage.ts';
import { settle } from '../../helpers/client/fake-socket.ts';
import { failingStorage } from '../../helpers/failing-storage.ts';
import { manualClock } from '../../helpers/manual-clock.ts';
import { describeStorage } from '../../helpers/storage-conformance.ts';
import { increment, put } from '../../helpers/storage-steps.ts';

const unexpected = (error: CommError): never => {
  throw error;
};

describeStorage('resilientStorage over a working storage', () =>
  Promise.resolve({
    storage: resilientStorage(memoryStorage(), (error) => expect(error.cause).toBeDefined(), systemClock),
    dispose: () => Promise.resolve(),
  }),
);

test('all operations use the primary storage while it works', async () => {
  const primary = memoryStorage();
  const storage = resilientStorage(primary, unexpected, systemClock);
  await put(storage, { 'ann/a': 1 });
  expect(await primary.get('ann/a')).toBe(1);
});

test('a primary whose writes fail is reported once, and its entries are copied to memory', async () => {
  const primary = failingStorage();
  await put(primary, { 'ann/never-read': 'kept', 'ann/n': 1 });
  const reported: CommError[] = [];
  const storage = resilientStorage(primary, (error) => reported.push(error), systemClock);
  primary.breakDown('writes');

  expect(await Promise.all([increment(storage, 'ann/n'), increment(storage, 'ann/n')])).toEqual([2, 3]);
  expect(await increment(storage, 'ann/n')).toBe(4);
  expect(await storage.list('ann/')).toEqual([
    ['ann/n', 4],
    ['ann/never-read', 'kept'],
  ]);
  expect(reported.map(({ code }) => code)).toEqual(['STORAGE']);
});

test('if the primary cannot be read either, the entries seen through the wrapper are copied to memory', async () => {
  const primary = failingStorage();
  await put(primary, { 'ann/got': 'got', 'ann/list/1': 'listed', 'ann/gone': 1, 'ann/unseen': 1 });
  const reported: CommError[] = [];
  const storage = resilientStorage(primary, (error) => reported.push(error), systemClock);
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

test('a write in progress when another one fails is not lost', async () => {
  const primary = failingStorage();
  const reported: CommError[] = [];
  const storage = resilientStorage(primary, (error) => reported.push(error), systemClock);
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

test('an error thrown by a step is passed on and does not cause the fallback', async () => {
  const storage = resilientStorage(memoryStorage(), unexpected, systemClock);
  const failing = storage.transact([], () => {
    throw new RangeError('mine');
  });
  await expect(failing).rejects.toThrow(RangeError);
});

test('close() resolves after the primary has failed', async () => {
  const primary = failingStorage();
  const storage = resilientStorage(primary, () => undefined, systemClock);
  primary.breakDown('all');
  await put(storage, { 'ann/a': 1 });
  await expect(storage.close()).resolves.toBeUndefined();
});

describe('a primary that does not answer', () => {
  test('times out after ten seconds, is reported once and replaced by memory', async () => {
    const clock = manualClock();
    const primary = failingStorage();
    await put(primary, { 'ann/kept': 'kept' });
    const reported: CommError[] = [];
    const storage = resilientStorage(primary, (error) => reported.push(error), clock);
    primary.stall();
    const writes = [put(storage, { 'ann/a': 1 }), put(storage, { 'ann/b': 2 })];
    clock.advance(9_999);
    await settle();
    expect(reported).toEqual([]);
    clock.advance(1);
    await Promise.all(writes);
    await put(storage, { 'ann/c': 3 });
    expect(reported.map(({ code }) => code)).toEqual(['STORAGE']);
    expect(await storage.list('ann/')).toEqual([
      ['ann/a', 1],
      ['ann/b', 2],
      ['ann/c', 3],
      ['ann/kept', 'kept'],
    ]);
    expect(clock.pending).toBe(0);
  });

  test('to a list either is replaced by the entries seen so far, and close() does not wait for it', async () => {
    const clock = manualClock();
    const never = (): Promise<never> => new Promise(() => undefined);
    const memory = memoryStorage();
    const primary = { get: memory.get.bind(memory), list: never, transact: never, close: never };
    await put(memory, { 'ann/seen': 1 });
    const reported: CommError[] = [];
    const storage = resilientStorage(primary, (error) => reported.push(error), clock);
    await storage.get('ann/seen');
    const writing = put(storage, { 'ann/a': 1 });
    clock.advance(10_000);
    await settle();
    // Listing the primary's entries times out too.
    clock.advance(10_000);
    await writing;
    expect(await storage.get('ann/seen')).toBe(1);
    const closing = storage.close();
    await settle();
    clock.advance(10_000);
    await expect(closing).resolves.toBeUndefined();
    expect(reported).toHaveLength(1);
  });

  test('while the page is frozen gets another timeout after that', async () => {
    const clock = manualClock();
    let frozenMs = 0;
    const primary = failingStorage();
    const resume = primary.stall();
    const storage = resilientStorage(primary, unexpected, { ...clock, now: () => clock.now() + frozenMs });
    const writing = put(storage, { 'ann/a': 1 });
    frozenMs = 3_600_000;
    clock.advance(10_000);
    await settle();
    resume();
    await writing;
    expect(await primary.get('ann/a')).toBe(1);
    expect(clock.pending).toBe(0);
  });
});
