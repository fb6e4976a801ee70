import { expect, test } from 'vitest';
import { indexedDbStorage } from '../../../src/storage/indexed-db-storage.ts';

test('without IndexedDB a storage can be constructed, and its use rejects with the alternatives', async () => {
  expect('indexedDB' in globalThis).toBe(false);
  const storage = indexedDbStorage();
  await expect(storage.get('a')).rejects.toMatchObject({
    code: 'STORAGE',
    fix: expect.stringContaining('fileStorage') as string,
  });
  await expect(storage.close()).resolves.toBeUndefined();
});
