import fc from 'fast-check';
import { expect, test } from 'vitest';
import { systemClock } from '../../../src/lib/clock.ts';
import { memoryStorage } from '../../../src/storage/memory.ts';
import { resilientStorage } from '../../../src/storage/resilient.ts';
import { failingStorage } from '../../helpers/failing-storage.ts';
import { compareWithModel, storageCommands } from '../../helpers/storage-model.ts';

test('the memory storage behaves like a Map, whatever the steps', async () => {
  await fc.assert(
    fc.asyncProperty(storageCommands, async (commands) => {
      await compareWithModel(commands, memoryStorage(), (storage) => Promise.resolve(storage));
    }),
  );
});

test('a storage that breaks down at any moment behaves like a Map all the same', async () => {
  await fc.assert(
    fc.asyncProperty(storageCommands, fc.constantFrom('writes' as const, 'all' as const), async (commands, what) => {
      const primary = failingStorage();
      let reports = 0;
      const storage = resilientStorage(primary, () => (reports += 1), systemClock);
      await compareWithModel(commands, storage, (each) => {
        // Where others are reopened, this one loses its primary.
        primary.breakDown(what);
        return Promise.resolve(each);
      });
      expect(reports).toBeLessThanOrEqual(1);
    }),
  );
});
