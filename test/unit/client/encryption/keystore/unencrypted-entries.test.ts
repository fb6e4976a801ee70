import { expect, test } from 'vitest';
import { checkKeyOwner } from '../../../../../src/client/encryption/keystore/key-owner.ts';
import { RequiredConversations } from '../../../../../src/client/encryption/keystore/required-conversations.ts';
import type { CommStorage, Storable } from '../../../../../src/storage/comm-storage.ts';
import { memoryStorage } from '../../../../../src/storage/memory-storage.ts';
import { codeOf } from '../../../../helpers/client/rejection.ts';

/** As a later version may store an entry. */
const LATER = { v: 2 };

async function storageWith(key: string, value: Storable): Promise<CommStorage> {
  const storage = memoryStorage();
  await storage.transact([], () => ({ writes: new Map([[key, value]]), result: undefined }));
  return storage;
}

test('a requirement that a later version has stored applies', async () => {
  const storage = await storageWith('e2ee/required/c', LATER);
  const ports = { conversation: () => Promise.resolve({ type: 'direct' } as const), report: () => undefined };
  const required = new RequiredConversations(storage, undefined, ports);
  expect(await required.list()).toEqual(['c']);
  expect(await Promise.all(['c', 'd'].map((id) => required.isRequired(id)))).toEqual([true, false]);
  expect(await required.isKnownRequired('c')).toBe(true);
});

test('an owner that a later version has stored is not replaced by the user whom the server names', async () => {
  const storage = await storageWith('e2ee/owner', LATER);
  expect(await codeOf(checkKeyOwner(storage, 'eve', undefined))).toBe('E2EE_LOCKED');
  expect(await storage.get('e2ee/owner')).toEqual(LATER);
});
