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

test('the messages of a conversation include the changes that are not stored yet', async () => {
  const storage = memoryStorage();
  const optional = { ...storage, optional: storage } as unknown as ClientStorage;
  const deps = { context: fakeContext(), storage: optional, limits: LIMITS, lastUser: async () => undefined };
  const cache = new OfflineCache(deps);
  const conversationId = 'conversation';
  const contents = async (): Promise<string[] | undefined> =>
    (await cache.page(conversationId))?.messages.map(({ content }) => content);
  await contents();
  cache.keepPage(conversationId, { messages: [message(1), message(2)], hasOlder: false });
  await cache.flush();
  cache.apply({ kind: 'updated', conversationId, message: message(1, { content: 'edited', rev: 3 }), rev: 3 });
  cache.apply({ kind: 'created', conversationId, message: message(3, { rev: 4 }), rev: 4 });
  expect(await contents()).toEqual(['edited', 'message 2', 'message 3']);
  await cache.flush();
  expect(await contents()).toEqual(['edited', 'message 2', 'message 3']);
});
