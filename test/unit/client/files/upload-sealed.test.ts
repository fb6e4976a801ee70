import { expect, test } from 'vitest';
import type { FileCipher } from '../../../../src/client/cipher.ts';
import { uploadSealed } from '../../../../src/client/files/upload-sealed.ts';

test('what the recorder knows of a voice message is not replaced by what its decoder finds', async () => {
  const keys = { key: 'k', prefix: 'p', size: 1, sha256: 's' };
  const cipher: Pick<FileCipher, 'seal'> = { seal: (sealed) => Promise.resolve({ sealed, keys }) };
  const recorded = { duration: 2, waveform: [1, 2] };
  const described = { url: '', mimeType: 'audio/webm', fileName: 'voice', fileSize: 1, ...recorded };
  const media = Promise.resolve({ fields: { width: 1, duration: 9, waveform: [9] } });
  const upload = (): Promise<typeof described> => Promise.resolve({ ...described, url: '/files/1' });
  const options = { conversationId: 'c' };
  const sent = await uploadSealed(new Blob(['x']), described, media, options, cipher as FileCipher, upload);
  expect(sent).toEqual({ ...described, width: 1, url: '/files/1', keys });
});
