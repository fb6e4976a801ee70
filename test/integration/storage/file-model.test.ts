import fc from 'fast-check';
import { test } from 'vitest';
import { fileStorage } from '../../../src/storage/file.ts';
import { compareWithModel, storageCommands } from '../../helpers/storage-model.ts';
import { temporaryDirectory } from '../../helpers/temporary-directory.ts';

test('the file storage behaves like a Map, whatever the steps, and remembers all of it when opened again', async () => {
  await fc.assert(
    fc.asyncProperty(storageCommands, async (commands) => {
      await using directory = await temporaryDirectory();
      const withReopening = commands.flatMap((command) => [command, { type: 'reopen' as const }]);
      const storage = await compareWithModel(withReopening, fileStorage(directory.path), async (open) => {
        await open.close();
        return fileStorage(directory.path);
      });
      await storage.close();
    }),
    { numRuns: 40 },
  );
}, 120_000);
