import { CommError } from '../../../protocol/errors.ts';
import type { CommStorage } from '../../../storage/comm-storage.ts';

const KEY = 'e2ee/owner';

/**
 * Checks that the keys in the storage belong to the user whom the server names, and stores them as the owner. A server that
 * could choose the user would choose the pinned keys as well.
 *
 * @param chosenId - the user id that the app has chosen; it replaces the owner
 * @throws CommError `E2EE_LOCKED` if the server names another user than the owner
 */
export async function checkKeyOwner(storage: CommStorage, userId: string, chosenId: string | undefined): Promise<void> {
  if (chosenId !== undefined && chosenId !== userId) throw wrongUser(chosenId);
  const owner = await storage.get(KEY);
  if (owner === userId) return;
  if (owner !== undefined && chosenId === undefined) throw wrongUser(typeof owner === 'string' ? owner : 'the owner');
  await storage.transact([], () => ({ writes: new Map([[KEY, userId]]), result: undefined }));
}

function wrongUser(owner: string): CommError {
  return new CommError('E2EE_LOCKED', `The server names another user than ${owner}, to whom the keys belong`, {
    fix: 'Pass the option userId if another user signs in on this device.',
  });
}
