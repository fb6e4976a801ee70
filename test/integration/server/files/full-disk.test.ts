import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { silentLogger, type Logger } from '../../../../src/lib/logger.ts';
import { seededRandom } from '../../../../src/lib/seeded-random.ts';
import { LocalDirectory } from '../../../../src/server/services/files/local-directory.ts';
import type { FileBackend } from '../../../../src/server/services/files/file-backend.ts';
import { startFileServer, type FileServer } from '../../../helpers/server/files.ts';
import { temporaryDirectory } from '../../../helpers/temporary-directory.ts';

const PART = 10_000;

/** A directory on a disk with so much free space. A write stores what fits, as the kernel does. */
class SmallDisk extends LocalDirectory implements FileBackend {
  freeBytes: number;

  constructor(directory: string, freeBytes: number) {
    super(directory);
    this.freeBytes = freeBytes;
  }

  override async write(key: string, offset: number, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    await super.write(key, offset, this.#fitting(chunks));
  }

  async *#fitting(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      const fitting = chunk.subarray(0, this.freeBytes);
      this.freeBytes -= fitting.byteLength;
      if (fitting.byteLength > 0) yield fitting;
      if (fitting.byteLength < chunk.byteLength) {
        throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
      }
    }
  }
}

function bytesOf(length: number): Buffer {
  const random = seededRandom(length);
  return Buffer.from(Uint8Array.from({ length }, () => random.between(0, 255)));
}

async function digestOf(response: Response): Promise<string> {
  return digest(new Uint8Array(await response.arrayBuffer()));
}

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

async function offsetOf(files: FileServer, path: string): Promise<number> {
  return Number((await files.tus(path, 'HEAD')).headers.get('upload-offset'));
}

test('an upload that fills the disk keeps what fitted, and goes on when there is space again', async () => {
  await using directory = await temporaryDirectory();
  const disk = new SmallDisk(directory.path, 25_000);
  const causes: string[] = [];
  const warn: Logger['warn'] = (cause) => void causes.push(cause);
  await using files = await startFileServer({ files: { backend: disk }, logger: { ...silentLogger, warn } });
  const earlier = await files.upload(bytesOf(PART));
  await files.send(earlier);

  const bytes = bytesOf(3 * PART);
  const { uploadUrl, key } = await files.begin({ size: bytes.length });
  const full = await files.tus(uploadUrl, 'PATCH', 0, bytes);
  expect([full.status, full.headers.get('retry-after')]).toEqual([503, '60']);
  expect(await full.json()).toMatchObject({ error: { code: 'UNAVAILABLE', message: 'The file storage is full' } });
  expect(await offsetOf(files, uploadUrl)).toBe(15_000);
  expect((await files.tus(uploadUrl, 'PATCH', 15_000, bytes.subarray(15_000))).status).toBe(503);
  expect(await offsetOf(files, uploadUrl)).toBe(15_000);
  expect(causes.filter((cause) => cause === 'the file storage is full')).toHaveLength(1);

  // Nothing else is lost: the earlier file is read, and messages are sent.
  expect(await digestOf(await files.load(earlier.url, 'bob'))).toBe(digest(bytesOf(PART)));
  const { conversationId, ann } = files;
  expect(await ann.ask('message:send', { conversationId, content: 'still here', type: 'text' })).toHaveProperty('id');

  disk.freeBytes = 100_000;
  expect((await files.tus(uploadUrl, 'PATCH', 15_000, bytes.subarray(15_000))).status).toBe(204);
  expect(await digestOf(await files.load(key, 'ann'))).toBe(digest(bytes));
});
