import { expect, test } from 'vitest';
import { OfflineCache } from '../../../../src/client/offline/offline-cache.ts';
import type { CommStorage } from '../../../../src/storage/comm-storage.ts';
import { memoryStorage } from '../../../../src/storage/memory-storage.ts';
import type { ClientStorage } from '../../../../src/storage/resilient-storage.ts';
import { fakeContext } from '../../../helpers/client/context.ts';
import { message } from '../../../helpers/client/messages.ts';

const LIMITS = { conversations: 5, messages: 5, size: 100_000 };

test('a conversation that is left again while it is stored leaves nothing', async () => {
  const memory = memoryStorage();
  let onWrite: (key: string) => void = () => undefined;
  const optional: CommStorage = {
    get: (key) => memory.get(key),
    list: (prefix) => memory.list(prefix),
    close: () => memory.close(),
    transact: (keys, step) =>
      memory.transact(keys, (values) => {
        const outcome = step(values);
        for (const key of outcome.writes.keys()) onWrite(key);
        return outcome;
      }),
  };
  const storage = { ...optional, optional } as unknown as ClientStorage;
  const cache = new OfflineCache({ context: fakeContext(), storage, limits: LIMITS, lastUser: async () => undefined });
  cache.keepPage('other', { messages: [message(1)], hasOlder: false });
  await cache.page('group');
  // The user is removed from the group and added again before either is stored.
  cache.remove('group');
  cache.keepPage('group', { messages: [message(1)], hasOlder: false });
  onWrite = (key) => {
    if (!key.endsWith('offline-page/group')) return;
    onWrite = () => undefined;
    cache.remove('group');
  };
  await cache.flush();
  await cache.flush();
  expect((await memory.list('')).map(([key]) => key).filter((key) => key.includes('page'))).toEqual([
    'alice/offline-page/other',
  ]);
  expect(await cache.page('group')).toBeUndefined();
});
