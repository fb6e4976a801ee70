import { expect, test } from 'vitest';
import { systemClock } from '../../../src/lib/clock.ts';
import { memoryStorage } from '../../../src/storage/memory-storage.ts';
import { resilientStorage } from '../../../src/storage/resilient-storage.ts';
import { failingStorage } from '../../helpers/failing-storage.ts';
import { compareWithModel, storageCommands } from '../../helpers/storage-model.ts';
import { fc } from '../../helpers/property.ts';

test('memoryStorage behaves like a Map for any sequence of steps', async () => {
  await fc.assert(
    fc.asyncProperty(storageCommands, async (commands) => {
      await compareWithModel(commands, memoryStorage(), (storage) => Promise.resolve(storage));
    }),
  );
});

test('resilientStorage behaves like a Map even if its primary fails at any moment', async () => {
  await fc.assert(
    fc.asyncProperty(storageCommands, fc.constantFrom('writes' as const, 'all' as const), async (commands, what) => {
      const primary = failingStorage();
      let reports = 0;
      const storage = resilientStorage(primary, () => (reports += 1), systemClock);
      await compareWithModel(commands, storage, (each) => {
        // The primary fails where the model test would reopen a storage.
        primary.breakDown(what);
        return Promise.resolve(each);
      });
      expect(reports).toBeLessThanOrEqual(1);
    }),
  );
});
