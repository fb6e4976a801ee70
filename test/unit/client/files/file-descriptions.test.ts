import { expect, test } from 'vitest';
import { abortable } from '../../../../src/lib/abort.ts';
import { deferred } from '../../../../src/lib/deferred.ts';
import type { ClientContext } from '../../../../src/client/context.ts';
import { FileDescriptions } from '../../../../src/client/files/file-descriptions.ts';
import type { FileTransfers } from '../../../../src/client/files/file-transfers.ts';
import { manualClock } from '../../../helpers/manual-clock.ts';

test('a thumbnail is sent after its file, because the server deletes first what was stored first', async () => {
  const order: string[] = [];
  const target = { uploadUrl: 'https://a/up', url: '/t', isTus: true };
  const transfers: Pick<FileTransfers, 'describe' | 'begin' | 'send' | 'persist'> = {
    persist: async (task) => await task(),
    describe: () => Promise.resolve({ fields: { width: 800 }, thumbnail: new Blob(['t'], { type: 'image/webp' }) }),
    begin: () => Promise.resolve((order.push('thumbnail begins'), target)),
    send: () => Promise.resolve(void order.push('thumbnail')),
  };
  const context: Pick<ClientContext, 'has' | 'clock'> = { has: () => true, clock: manualClock() };
  const descriptions = new FileDescriptions(context as ClientContext, transfers as FileTransfers);
  const file = {
    id: '1',
    conversationId: 'c',
    mimeType: 'image/png',
    cipher: undefined,
    bytes: () => Promise.resolve(new Blob(['file'])),
    check: () => Promise.resolve(),
  };
  const uploaded = (): Promise<void> => Promise.resolve(void order.push('file'));
  const { signal } = new AbortController();
  expect(await descriptions.describe(file, uploaded, signal)).toEqual({ width: 800, thumbnailUrl: '/t' });
  expect(order).toEqual(['file', 'thumbnail begins', 'thumbnail']);
  const failing = (): Promise<void> => Promise.reject(new Error('The file was not stored'));
  expect(await descriptions.describe({ ...file, id: '2' }, failing, signal)).toEqual({ width: 800 });
  expect(order).toHaveLength(3);
  // The next upload of the file sends it.
  const again = await descriptions.describe({ ...file, id: '2' }, uploaded, signal);
  expect(again).toEqual({ width: 800, thumbnailUrl: '/t' });
});

test('a message does not wait for a thumbnail that the server does not take', async () => {
  const clock = manualClock();
  const begun = deferred<undefined>();
  const transfers: Pick<FileTransfers, 'describe' | 'persist'> = {
    describe: () => Promise.resolve({ fields: { width: 800 }, thumbnail: new Blob(['t'], { type: 'image/webp' }) }),
    persist: (_task, signal) => {
      begun.resolve(undefined);
      return abortable(new Promise<never>(() => undefined), signal);
    },
  };
  const context: Pick<ClientContext, 'has' | 'clock'> = { has: () => true, clock };
  const descriptions = new FileDescriptions(context as ClientContext, transfers as FileTransfers);
  const file = {
    id: '1',
    conversationId: 'c',
    mimeType: 'image/png',
    cipher: undefined,
    bytes: () => Promise.resolve(new Blob(['file'])),
    check: () => Promise.resolve(),
  };
  const described = descriptions.describe(file, () => Promise.resolve(), new AbortController().signal);
  await begun.promise;
  clock.advance(60_000);
  expect(await described).toEqual({ width: 800 });
});

test('a file without a picture or sound is not read, because it would be decrypted for nothing', async () => {
  const context: Pick<ClientContext, 'has'> = { has: () => true };
  const transfers: Pick<FileTransfers, 'describe'> = { describe: () => Promise.resolve({ fields: { width: 1 } }) };
  const descriptions = new FileDescriptions(context as ClientContext, transfers as FileTransfers);
  let read = 0;
  const file = {
    id: '1',
    conversationId: 'c',
    mimeType: 'application/pdf',
    cipher: undefined,
    bytes: () => Promise.resolve((read += 1) > 0 ? new Blob(['file']) : undefined),
    check: () => Promise.resolve(),
  };
  const { signal } = new AbortController();
  expect(await descriptions.describe(file, () => Promise.resolve(), signal)).toEqual({});
  expect(read).toBe(0);
});
