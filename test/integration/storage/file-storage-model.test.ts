import { join } from 'node:path';
import { test } from 'vitest';
import { fileStorage } from '../../../src/storage/file-storage.ts';
import { compareWithModel, storageCommands } from '../../helpers/storage-model.ts';
import { temporaryDirectory } from '../../helpers/temporary-directory.ts';
import { fc } from '../../helpers/property.ts';

test('fileStorage behaves like a Map for any sequence of steps, also when it is reopened after each one', async () => {
  await fc.assert(
    fc.asyncProperty(storageCommands, async (commands) => {
      await using directory = await temporaryDirectory();
      const path = join(directory.path, 'client.sqlite');
      const withReopening = commands.flatMap((command) => [command, { type: 'reopen' as const }]);
      const storage = await compareWithModel(withReopening, fileStorage(path), async (open) => {
        await open.close();
        return fileStorage(path);
      });
      await storage.close();
    }),
    { numRuns: 40 },
  );
}, 120_000);
