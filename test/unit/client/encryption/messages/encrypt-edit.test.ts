import { expect, test } from 'vitest';
import type { Secret } from '../../../../../src/client/cipher.ts';
import { encryptEdit } from '../../../../../src/client/encryption/messages/encrypt-edit.ts';
import type { Keystore } from '../../../../../src/client/encryption/keystore/keystore.ts';
import type { Message } from '../../../../../src/protocol/messages.ts';

const attachment = { url: 'blob:preview', mimeType: 'image/png', fileName: 'a.png', fileSize: 1 };

test.each<[Message['status'], boolean]>([
  ['sending', false],
  ['failed', false],
  ['sent', true],
])('of a message with the status %s an edit keeps the files: %s', async (status, keepsFiles) => {
  const message: Message = {
    id: 'm',
    conversationId: 'c',
    senderId: 'alice',
    content: 'before',
    type: 'image',
    createdAt: '2026-01-01T00:00:00.000Z',
    readBy: [],
    encrypted: true,
    status,
    attachment,
  };
  let edited: Secret | undefined;
  const keystore = { records: { transact: () => Promise.resolve(undefined) } } as unknown as Keystore;
  await encryptEdit(
    keystore,
    { messageId: 'm', conversationId: 'c', content: '' },
    { content: 'after' },
    {
      findMessage: () => Promise.resolve(message),
      refusePlaintext: () => Promise.resolve(),
      canEditEncrypted: () => true,
      now: () => 1,
      encrypt: (_clientId, secret) => {
        edited = secret;
        return Promise.reject(new Error('Not needed'));
      },
    },
  ).catch(() => undefined);
  expect(edited).toMatchObject({ content: 'after' });
  expect(edited?.attachment).toEqual(keepsFiles ? attachment : undefined);
});
