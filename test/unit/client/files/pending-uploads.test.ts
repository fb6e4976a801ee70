import { expect, test } from 'vitest';
import type { QueuedMessage } from '../../../../src/client/cipher.ts';
import type { OutboxItem } from '../../../../src/client/outbox/outbox-item.ts';
import { deferred } from '../../../../src/lib/deferred.ts';
import { CommError } from '../../../../src/protocol/errors.ts';
import { codeOf } from '../../../helpers/client/rejection.ts';
import { UploadsRig } from '../../../helpers/client/uploads-rig.ts';

test('an upload waits for an earlier one that is still encrypting the message', async () => {
  const rig = new UploadsRig();
  rig.isRequired = () => Promise.resolve(true);
  const item = await rig.hold([new Blob(['hello'])]);
  const [replacing, replaced] = [deferred<undefined>(), deferred<undefined>()];
  rig.replacing = () => {
    replacing.resolve(undefined);
    return replaced.promise;
  };
  const first = codeOf(rig.uploads.upload(item));
  await replacing.promise;
  rig.context.emitter.emit('status', 'disconnected');
  const second = rig.uploads.upload(item);
  replaced.resolve(undefined);
  expect(await first).toBe('DISCONNECTED');
  const { operation } = await second;
  expect(operation.payload).toMatchObject({ encrypted: true });
  // Another key in the draft would not belong to the bytes of the message in the outbox.
  expect(rig.sealed).toBe(1);
  expect(rig.draft).toMatchObject([{ url: '/files/1', keys: { key: 'k1' } }]);
  expect(rig.requests).toEqual(['PATCH 21']);
});

test('an upload that follows an ended one ends if the message has left the outbox', async () => {
  const rig = new UploadsRig();
  const item = await rig.hold([new Blob(['hello'])]);
  const first = codeOf(rig.uploads.upload(item));
  rig.context.emitter.emit('status', 'disconnected');
  const second = codeOf(rig.uploads.upload(item));
  rig.item = undefined;
  expect(await Promise.all([first, second])).toEqual(['DISCONNECTED', 'CANCELLED']);
  expect(rig.requests).toEqual([]);
});

test('while it is unknown whether encryption is required nothing is sent, and the upload is continued', async () => {
  const rig = new UploadsRig();
  const item = await rig.hold([new Blob(['first']), new Blob(['second'])]);
  const answers = [false, false];
  rig.isRequired = () => {
    const answer = answers.shift();
    return answer === undefined ? Promise.reject(new CommError('UNAVAILABLE', 'no')) : Promise.resolve(answer);
  };
  const failed = rig.uploads.upload(item);
  expect(await codeOf(failed)).toBe('UNAVAILABLE');
  expect(rig.progress).toBe('waiting');
  expect(rig.requests).toEqual(['PATCH 5']);
  rig.isRequired = () => Promise.resolve(false);
  const { operation } = await rig.uploads.upload(item);
  expect((operation.payload as QueuedMessage).attachments).toHaveLength(2);
  expect(rig.requests).toEqual(['PATCH 5', 'HEAD 0', 'PATCH 6']);
});

test.each([true, false])(
  'a file that can’t be read while it is encrypted fails until a retry (encrypt: %s)',
  async (encrypt) => {
    const rig = new UploadsRig();
    rig.isRequired = () => Promise.resolve(true);
    const { seal } = rig;
    rig.seal = () => Promise.reject(new DOMException('The file was deleted', 'NotReadableError'));
    const item = await rig.hold([new Blob(['hello'])], encrypt);
    expect(await codeOf(rig.uploads.upload(item))).toBe('UPLOAD_FAILED');
    rig.seal = seal;
    await rig.uploads.upload(item);
    expect(rig.requests).toEqual(['PATCH 21']);
  },
);

test('a message that was encrypted late is sent although the readable bytes could not be deleted, nor shown', async () => {
  const rig = new UploadsRig();
  rig.isRequired = () => Promise.resolve(true);
  const item = await rig.hold([new Blob(['hello'])]);
  await rig.uploads.settled();
  const { decrypt } = rig;
  rig.replacing = () => {
    rig.failingWrites = 1;
    rig.decrypt = () => {
      rig.decrypt = decrypt;
      return Promise.reject(new CommError('E2EE_LOCKED', 'no'));
    };
    return Promise.resolve();
  };
  const { operation } = await rig.uploads.upload(item);
  expect(operation.payload).toMatchObject({ encrypted: true });
  expect(rig.requests).toEqual(['PATCH 21']);
});

test('encrypted bytes that had no room beside the readable ones are stored once those are deleted', async () => {
  const rig = new UploadsRig();
  rig.room = 1;
  rig.isRequired = () => Promise.resolve(true);
  const item = await rig.hold([new Blob(['hello'])]);
  await rig.uploads.settled();
  expect(Array.from(rig.kept.values(), ({ size }) => size)).toEqual([5]);
  await rig.uploads.upload(item);
  await rig.uploads.settled();
  expect(Array.from(rig.kept.values(), ({ size }) => size)).toEqual([21]);
});

/** The sizes of the previews of a message; 0 for one that is gone. */
async function previews({ uploads }: UploadsRig, item: OutboxItem): Promise<number[]> {
  const { attachments = [] } = uploads.shown(item);
  return await Promise.all(attachments.map(async ({ url }) => (url === '' ? 0 : await sizeAt(url))));
}

async function sizeAt(url: string): Promise<number> {
  return await fetch(url).then(
    async (response) => (await response.blob()).size,
    () => 0,
  );
}

/** A message of an earlier session, or of another tab. */
function restored(rig: UploadsRig, ids: readonly string[]): OutboxItem {
  const keys = { key: 'k', prefix: '', size: 5, sha256: '' };
  rig.draft = ids.map((id) => ({ url: '', mimeType: 'text/plain', fileName: id, fileSize: 5, keys }));
  for (const id of ids) rig.kept.set(id, new Blob(['hello', new Uint8Array(16)]));
  const files = ids.map((id, at) => ({ id, at }));
  const payload = { conversationId: 'c', content: '', type: 'text', encrypted: true, attachments: rig.draft } as const;
  rig.item = {
    clientId: 'one',
    order: '',
    lane: 'c one',
    operation: { name: 'message:send', payload: { ...payload, attachments: [...rig.draft], files } },
    parked: false,
  };
  return rig.item;
}

test('a file that can’t be decrypted leaves the previews of the others, and is tried again', async () => {
  const rig = new UploadsRig();
  const item = restored(rig, ['a', 'b']);
  const { decrypt } = rig;
  rig.decrypt = () => {
    rig.decrypt = decrypt;
    return Promise.reject(new CommError('E2EE_LOCKED', 'no'));
  };
  await rig.uploads.restore(item);
  expect(await previews(rig, item)).toEqual([0, 5]);
  await rig.uploads.restore(item);
  expect(await previews(rig, item)).toEqual([5, 5]);
});

test('the preview of a file that another tab has encrypted is replaced', async () => {
  const rig = new UploadsRig();
  const item = restored(rig, ['a']);
  await rig.uploads.restore(item);
  const url = rig.uploads.shown(item).attachment?.url ?? '';
  expect(await sizeAt(url)).toBe(5);
  const later = restored(rig, ['b']);
  await rig.uploads.restore(later);
  expect(await sizeAt(url)).toBe(0);
  expect(await previews(rig, later)).toEqual([5]);
});
