import { afterEach, expect, test, vi } from 'vitest';
import type { CommError } from '../../../src/protocol/errors.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { indexedDbStorage } from '../../../src/storage/indexed-db-storage.ts';
import { resilientStorage } from '../../../src/storage/resilient-storage.ts';
import { put } from '../../helpers/storage-steps.ts';

/** Storage Buckets API (WICG draft): storage of the same origin with a separate quota. */
interface StorageBuckets {
  open(name: string, options: { quota: number }): Promise<{ indexedDB: IDBFactory }>;
  delete(name: string): Promise<void>;
}
const { storageBuckets } = navigator as Navigator & { storageBuckets: StorageBuckets };

afterEach(async () => {
  vi.unstubAllGlobals();
  await storageBuckets.delete('small');
});

test('an exceeded quota is a STORAGE error, keeps the stored entries, and resilientStorage continues in memory', async () => {
  const { indexedDB: small } = await storageBuckets.open('small', { quota: 1_000_000 });
  vi.stubGlobal('indexedDB', small);
  const primary = indexedDbStorage({ name: 'quota-test' });
  await put(primary, { 'ann/a': 'kept' });
  const big = 'x'.repeat(5_000_000);
  await expect(put(primary, { 'ann/a': 'lost', 'ann/big': big })).rejects.toMatchObject({
    code: 'STORAGE',
    fix: expect.stringContaining('persist') as string,
  });
  expect(await primary.list('')).toEqual([['ann/a', 'kept']]);

  const reported: CommError[] = [];
  const storage = resilientStorage(primary, (error) => reported.push(error), systemClock);
  await put(storage, { 'ann/big': big });
  expect(await storage.get('ann/big')).toBe(big);
  expect(await storage.get('ann/a')).toBe('kept');
  expect(reported).toHaveLength(1);
  await storage.close();
});
