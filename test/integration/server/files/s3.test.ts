import { createHash } from 'node:crypto';
import { cp, readdir, rm } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { seededRandom } from '../../../../src/lib/seeded-random.ts';
import { StorageUnavailable } from '../../../../src/server/index.ts';
import { S3Error } from '../../../../src/server/services/files/s3-client.ts';
import { s3Storage } from '../../../../src/server/services/files/s3-storage.ts';
import { serverCoreFor } from '../../../../src/server/server-core.ts';
import { startServerProcess } from '../../../../src/server/testing/server-process.ts';
import { App } from '../../../helpers/client/app.ts';
import { manualClock } from '../../../helpers/manual-clock.ts';
import { startFileServer } from '../../../helpers/server/files.ts';
import { startS3Rig } from '../../../helpers/server/s3-server.ts';
import { temporaryDirectory } from '../../../helpers/temporary-directory.ts';

const KEY = '3b241101-e2bb-4255-8caf-4136c566a962';
const HELLO = Buffer.from('hello, file');
const DAY_MS = 86_400_000;
const random = seededRandom(6);
const BLOCK = Buffer.from(Uint8Array.from({ length: 8_000 }, () => random.between(0, 255)));
/** A part of a multipart upload, and the start of another. */
const LARGE = Buffer.concat(Array.from({ length: 2_500 }, () => BLOCK));

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield Uint8Array.from(bytes);
}

const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

async function codeOf(response: Response): Promise<[number, string]> {
  const { error } = (await response.json()) as { error: { code: string } };
  return [response.status, error.code];
}

test('a wrong secret is refused by the storage, and reported as an error of the server', async () => {
  await using rig = await startS3Rig();
  const options = { ...rig.server.bucket, partsDirectory: rig.partsDirectory, secretAccessKey: 'wrong' };
  const backend = s3Storage(options);
  await backend.write(KEY, 0, once(HELLO));
  const refused = await backend.complete(KEY).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(S3Error);
  expect(refused).toMatchObject({ status: 403, code: 'SignatureDoesNotMatch' });
  await using files = await startFileServer({ files: { backend } });
  const { uploadUrl } = await files.begin({ size: HELLO.length });
  expect(await codeOf(await files.tus(uploadUrl, 'PATCH', 0, HELLO))).toEqual([500, 'INTERNAL']);
});

test('requests that the storage answers with 503 or not at all are repeated', async () => {
  await using rig = await startS3Rig();
  const answers = ['close', 503, 503, undefined, 'lose', undefined, 'close', undefined] as const;
  let at = 0;
  rig.server.intercept = () => answers[at++];
  const backend = rig.open();
  await backend.write(KEY, 0, once(LARGE));
  await backend.complete(KEY);
  expect(at).toBeGreaterThan(answers.length);
  const chunks: Uint8Array[] = [];
  for await (const chunk of backend.read(KEY, { start: 0, end: LARGE.length - 1 })) chunks.push(chunk);
  expect(digestOf(Buffer.concat(chunks))).toBe(digestOf(LARGE));
});

test('a process that ends after the storage has completed an upload completes it again', async () => {
  await using rig = await startS3Rig();
  await rig.open().write(KEY, 0, once(LARGE));
  await using copy = await temporaryDirectory();
  await cp(rig.partsDirectory, copy.path, { recursive: true });
  await rig.open().complete(KEY);
  // As if the process had ended before it deleted its state.
  await cp(copy.path, rig.partsDirectory, { recursive: true });
  expect(await rig.open().size(KEY)).toBe(LARGE.length);
  await rig.open().complete(KEY);
  expect(await rig.open().size(KEY)).toBe(LARGE.length);
  expect(await readdir(rig.partsDirectory)).toEqual([]);
});

test('an upload whose directory of parts is lost starts again', async () => {
  await using rig = await startS3Rig();
  await rig.open().write(KEY, 0, once(LARGE));
  await rm(rig.partsDirectory, { recursive: true });
  expect(await rig.open().size(KEY)).toBe(0);
  await rig.open().write(KEY, 0, once(HELLO));
  await rig.open().complete(KEY);
  expect(await rig.open().size(KEY)).toBe(HELLO.length);
});

test('while the storage is down uploads are UNAVAILABLE, keep their bytes, and go on afterwards', async () => {
  await using rig = await startS3Rig();
  await using files = await startFileServer({ files: { backend: rig.open() } });
  const { uploadUrl, key } = await files.begin({ size: HELLO.length });
  expect((await files.tus(uploadUrl, 'PATCH', 0, HELLO.subarray(0, 5))).status).toBe(204);
  rig.server.intercept = () => 503;
  const refused = await files.tus(uploadUrl, 'PATCH', 5, HELLO.subarray(5));
  expect(refused.headers.get('retry-after')).toBe('5');
  expect(await codeOf(refused)).toEqual([503, 'UNAVAILABLE']);
  await expect(rig.open().delete(KEY)).rejects.toThrow(StorageUnavailable);
  rig.server.intercept = () => undefined;
  expect((await files.tus(uploadUrl, 'HEAD')).headers.get('upload-offset')).toBe(String(HELLO.length));
  expect(await (await files.load(key, 'ann')).text()).toBe('hello, file');
});

test('a file whose type lies is deleted from the storage, and so is an expired one', async () => {
  await using rig = await startS3Rig();
  const clock = manualClock();
  const db = new DatabaseSync(':memory:');
  await using files = await startFileServer({ files: { backend: rig.open() }, clock, db });
  const lie = await files.begin({ size: HELLO.length, mimeType: 'image/png' });
  expect((await files.tus(lie.uploadUrl, 'PATCH', 0, HELLO)).status).toBe(415);
  expect(await rig.server.keys()).toEqual([]);
  const { url } = await files.upload(HELLO);
  const range = await files.load(url, 'ann', { headers: { range: 'bytes=7-' } });
  expect([range.status, await range.text()]).toEqual([206, 'file']);
  expect(await rig.server.keys()).toHaveLength(1);
  clock.sleep(DAY_MS + 1_000);
  await serverCoreFor({ db }).services.files.sweep();
  expect(await rig.server.keys()).toEqual([]);
});

test('an upload to a bucket survives that the server is killed in the middle', { timeout: 120_000 }, async () => {
  await using rig = await startS3Rig();
  await using directory = await temporaryDirectory();
  const { endpoint, bucket, accessKeyId, secretAccessKey } = rig.server.bucket;
  const url = `s3://${bucket}?${new URLSearchParams({ endpoint, partsDirectory: rig.partsDirectory })}`;
  await using process = await startServerProcess({
    database: `${directory.path}/comm.sqlite`,
    args: ['--files', url],
    env: { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey },
  });
  const killing: { restarted?: Promise<void> } = {};
  await using alice = new App(process.url, { userId: 'alice', random: eager });
  await alice.client.connect();
  const { id: conversationId } = await alice.client.conversations.create({ type: 'group', participantIds: [] });
  const attachment = await alice.client.files.upload(new Blob([LARGE]), {
    conversationId,
    onProgress(doneBytes) {
      // In the middle of the first part of the multipart upload.
      if (doneBytes > LARGE.length / 3) killing.restarted ??= process.kill('SIGKILL').then(() => process.restart());
    },
  });
  await killing.restarted;
  expect(killing.restarted).toBeDefined();
  const loaded = await alice.client.files.download(attachment);
  expect(digestOf(new Uint8Array(await loaded.arrayBuffer()))).toBe(digestOf(LARGE));
  expect(await rig.server.keys()).toHaveLength(1);
});

/** Makes every backoff as short as possible. */
const eager = {
  number: () => 0,
  bytes: (length: number) => crypto.getRandomValues(new Uint8Array(length)),
};
