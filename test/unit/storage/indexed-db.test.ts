import { expect, test } from 'vitest';
import { indexedDbStorage } from '../../../src/storage/indexed-db.ts';

test('without IndexedDB, as on a server, constructing it is fine and using it says what to use instead', async () => {
  expect('indexedDB' in globalThis).toBe(false);
  const storage = indexedDbStorage();
  await expect(storage.get('a')).rejects.toMatchObject({
    code: 'STORAGE',
    fix: expect.stringContaining('fileStorage') as string,
  });
  await expect(storage.close()).resolves.toBeUndefined();
});
