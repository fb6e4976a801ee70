import { createHash } from 'node:crypto';
import { Upload, type UploadOptions } from 'tus-js-client';
import { expect, test } from 'vitest';
import { seededRandom } from '../../../../src/lib/seeded-random.ts';
import { startFileServer } from '../../../helpers/server/files.ts';

const random = seededRandom(1);
const BYTES = Buffer.from(Uint8Array.from({ length: 3_000_000 }, () => random.between(0, 255)));

const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Uploads with the reference client of tus. @returns the offset at which its first PATCH began */
function upload(url: string, options: UploadOptions = {}): Promise<number | undefined> {
  let start: number | undefined;
  return new Promise((resolve, reject) => {
    const uploading = new Upload(BYTES, {
      retryDelays: null,
      uploadUrl: url,
      onBeforeRequest(request) {
        const offset = request.getHeader('Upload-Offset');
        if (request.getMethod() === 'PATCH') start ??= Number(offset);
      },
      onError: reject,
      onSuccess: () => resolve(start),
      ...options,
    });
    uploading.start();
  });
}

test('the reference client of tus uploads a file, and continues it where another one has stopped', async () => {
  await using files = await startFileServer();
  const { uploadUrl, key } = await files.begin({ size: BYTES.length });
  const url = files.url + uploadUrl;
  const first = new Promise<void>((resolve, reject) => {
    const stopped = new Upload(BYTES, {
      retryDelays: null,
      uploadUrl: url,
      chunkSize: 1_000_000,
      onError: reject,
      onChunkComplete(_size, accepted) {
        if (accepted === 1_000_000) void stopped.abort().then(resolve, reject);
      },
    });
    stopped.start();
  });
  await first;
  // The server may have received some bytes of the next part before it was aborted.
  expect(await upload(url)).toBeGreaterThanOrEqual(1_000_000);
  const stored = await files.load(key, 'ann');
  expect(digestOf(new Uint8Array(await stored.arrayBuffer()))).toBe(digestOf(BYTES));
});

test('the reference client of tus ends an upload', async () => {
  await using files = await startFileServer();
  const { uploadUrl } = await files.begin({ size: BYTES.length });
  await Upload.terminate(files.url + uploadUrl, { retryDelays: [] });
  expect((await files.tus(uploadUrl, 'HEAD')).status).toBe(404);
});
