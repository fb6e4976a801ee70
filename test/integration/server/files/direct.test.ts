import { cp, readdir } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { silentLogger } from '../../../../src/lib/logger.ts';
import type { UploadParts } from '../../../../src/protocol/files.ts';
import { serverCoreFor } from '../../../../src/server/server-core.ts';
import { StorageUnavailable } from '../../../../src/server/index.ts';
import { manualClock } from '../../../helpers/manual-clock.ts';
import {
  abortInBucket,
  codeOf,
  digestOf,
  HELLO,
  LARGE,
  MIB,
  PART,
  partsIn,
  startDirect,
} from '../../../helpers/server/direct-uploads.ts';
import { PNG } from '../../../helpers/server/files.ts';
import { startS3Rig } from '../../../helpers/server/s3-server.ts';
import { temporaryDirectory } from '../../../helpers/temporary-directory.ts';

const DAY_MS = 86_400_000;

test('parts are sent to the bucket, and the server completes and checks the file', async () => {
  await using direct = await startDirect();
  const { files, rig } = direct;
  const ready = await direct.begin(LARGE);
  expect(ready.protocol).toBe('s3');
  expect(ready.uploadUrl).toMatch(/^\/__nk_comm\/uploads\//);
  expect(ready.parts).toMatchObject({ partBytes: PART, storedBytes: 0 });
  expect(ready.parts.missing.map(({ number }) => number)).toEqual([1, 2, 3]);
  for (const { url } of ready.parts.missing) expect(url.startsWith(`${rig.server.bucket.endpoint}/files/`)).toBe(true);

  // In any order, and over a restart of the client.
  expect(await direct.put(ready.parts, 3, LARGE)).toBe(200);
  expect(await direct.put(ready.parts, 1, LARGE)).toBe(200);
  const state = await partsIn(await direct.ask(ready));
  expect(state.storedBytes).toBe(PART + MIB);
  expect(state.missing.map(({ number }) => number)).toEqual([2]);
  expect((await files.load(ready.key, 'ann')).status).toBe(404);
  expect(await direct.put(state, 2, LARGE)).toBe(200);
  const done = await direct.ask(ready);
  expect(done.headers.get('cache-control')).toBe('no-store');
  expect(await partsIn(done)).toMatchObject({ storedBytes: LARGE.length, missing: [] });
  expect(await partsIn(await direct.ask(ready))).toMatchObject({ missing: [] });
  expect(await rig.server.uploads()).toEqual([]);

  // A part that is sent again later changes nothing.
  expect(await direct.put(ready.parts, 1, Buffer.alloc(LARGE.length))).toBe(404);
  const loaded = await files.load(ready.key, 'ann');
  expect(digestOf(new Uint8Array(await loaded.arrayBuffer()))).toBe(digestOf(LARGE));
  await files.send({ url: ready.key, mimeType: 'application/octet-stream', fileName: 'a.bin', fileSize: LARGE.length });
  const range = await files.load(ready.key, 'bob', { headers: { range: `bytes=${PART}-${PART + 1}` } });
  expect([range.status, ...new Uint8Array(await range.arrayBuffer())]).toEqual([206, 8, 8]);
});

test('a part with more or fewer bytes than announced is refused by the storage', async () => {
  await using direct = await startDirect();
  const ready = await direct.begin(HELLO);
  const [part] = ready.parts.missing;
  for (const body of ['hello, file!', 'hello', '']) {
    const response = await fetch(part?.url ?? '', { method: 'PUT', body });
    expect([response.status, await response.text()]).toEqual([403, expect.stringContaining('SignatureDoesNotMatch')]);
  }
  expect(await partsIn(await direct.ask(ready))).toMatchObject({ storedBytes: 0 });
  expect(await direct.put(ready.parts, 1, HELLO)).toBe(200);
  expect(await partsIn(await direct.ask(ready))).toMatchObject({ missing: [] });
});

test('a part whose size is wrong all the same counts as missing', async () => {
  await using direct = await startDirect();
  const idOf = ({ parts }: { parts: UploadParts }): string =>
    new URL(parts.missing[0]?.url ?? '').searchParams.get('uploadId') ?? '';
  const ready = await direct.begin(HELLO);
  const longer = Buffer.from('longer than hello, file');
  const other = await direct.begin(longer);
  await direct.put(other.parts, 1, longer);
  // As if the storage ignored the signed length, and the longer part had been sent to this upload.
  direct.rig.server.intercept = (request) => {
    if (request.method === 'GET') request.url = request.url?.replace(idOf(ready), idOf(other)) ?? '';
    return undefined;
  };
  expect(await partsIn(await direct.ask(ready))).toMatchObject({ storedBytes: 0, missing: [{ number: 1 }] });
  expect((await direct.files.load(ready.key, 'ann')).status).toBe(404);
});

test('a file whose type lies, or that the app rejects, is deleted from the bucket', async () => {
  const rejected: string[] = [];
  await using direct = await startDirect({
    hooks: {
      async beforeUpload(file) {
        for await (const chunk of file.read()) rejected.push(Buffer.from(chunk).toString('latin1', 1, 4));
        throw new Error('no');
      },
    },
  });
  const lie = await direct.begin(HELLO, 'image/png');
  await direct.put(lie.parts, 1, HELLO);
  expect(await codeOf(await direct.ask(lie))).toEqual([415, 'MIME_TYPE_NOT_ALLOWED']);
  expect(await codeOf(await direct.ask(lie))).toEqual([404, 'NOT_FOUND']);
  const png = await direct.begin(PNG, 'image/png');
  await direct.put(png.parts, 1, PNG);
  expect((await direct.ask(png)).ok).toBe(false);
  expect(rejected).toEqual(['PNG']);
  expect([await direct.rig.server.keys(), await direct.rig.server.uploads()]).toEqual([[], []]);
});

test('only the holder of the key learns of an upload, and URLs are valid for their own part only', async () => {
  await using direct = await startDirect();
  const ready = await direct.begin(HELLO);
  const foreign = ready.uploadUrl.replace(/[^/]+$/, 'x'.repeat(43));
  expect(await codeOf(await fetch(direct.files.url + foreign))).toEqual([404, 'NOT_FOUND']);
  const other = await direct.begin(HELLO);
  const urlOf = ({ parts }: { parts: UploadParts }): URL => new URL(parts.missing[0]?.url ?? '');
  const changes: ((url: URL) => void)[] = [
    (url) => url.searchParams.set('partNumber', '2'),
    (url) => url.searchParams.set('uploadId', urlOf(other).searchParams.get('uploadId') ?? ''),
    (url) => (url.pathname = urlOf(other).pathname),
    (url) => url.searchParams.set('X-Amz-Expires', '86400'),
  ];
  for (const change of changes) {
    const url = urlOf(ready);
    change(url);
    const response = await fetch(url, { method: 'PUT', body: HELLO });
    expect([response.status, await response.text()]).toEqual([403, expect.stringContaining('SignatureDoesNotMatch')]);
  }
});

test('a URL does not copy the file of another user', async () => {
  await using direct = await startDirect();
  const { rig, files } = direct;
  const secret = await direct.begin(HELLO);
  await direct.put(secret.parts, 1, HELLO);
  expect(await partsIn(await direct.ask(secret))).toMatchObject({ missing: [] });
  const ready = await direct.begin(HELLO);
  const [part] = ready.parts.missing;
  const headers = { 'x-amz-copy-source': `/files/${secret.fileId}` };
  const response = await fetch(part?.url ?? '', { method: 'PUT', headers, body: HELLO });
  expect([response.status, await response.text()]).toEqual([403, expect.stringContaining('AccessDenied')]);
  expect(await partsIn(await direct.ask(ready))).toMatchObject({ storedBytes: 0 });
  // The check of the storage has left nothing.
  expect(await rig.server.keys()).toEqual([secret.fileId]);
  expect(await rig.server.uploads()).toHaveLength(1);
  expect((await files.tus(ready.uploadUrl, 'DELETE')).status).toBe(204);
});

test('a storage that accepts unsigned headers is not offered to clients, which is logged once', async () => {
  const errors: string[] = [];
  await using direct = await startDirect({ logger: { ...silentLogger, error: (message) => errors.push(message) } });
  const { rig, files } = direct;
  rig.server.refusesUnsignedHeaders = false;
  const first = await files.begin({ size: HELLO.length });
  expect(first).toMatchObject({ protocol: 'tus' });
  expect(first).not.toHaveProperty('parts');
  let requests = 0;
  rig.server.intercept = () => void (requests += 1);
  expect(await files.begin({ size: HELLO.length })).toMatchObject({ protocol: 'tus' });
  expect(requests).toBe(0);
  expect(errors).toEqual(['direct uploads are off, because the storage is not safe for them']);
  expect([await rig.server.keys(), await rig.server.uploads()]).toEqual([[], []]);
  expect((await files.tus(first.uploadUrl, 'PATCH', 0, HELLO)).status).toBe(204);
  expect(await (await files.load(first.key, 'ann')).text()).toBe('hello, file');
});

test('an upload that was begun before the storage became unsafe is continued through the server', async () => {
  await using rig = await startS3Rig();
  const key = '3b241101-e2bb-4255-8caf-4136c566a962';
  await rig.openDirect().direct?.begin(key, HELLO.length);
  rig.server.refusesUnsignedHeaders = false;
  expect(await rig.openDirect().direct?.parts(key)).toBeUndefined();
});

test('without the permission to list parts clients are not sent to the bucket', async () => {
  await using direct = await startDirect();
  direct.rig.server.intercept = ({ method, url = '' }) =>
    method === 'GET' && url.includes('uploadId') ? 'forbidden' : undefined;
  expect(await direct.files.begin({ size: 5 })).toMatchObject({ protocol: 'tus' });
  direct.rig.server.intercept = () => undefined;
  expect(await direct.files.begin({ size: 5 })).toMatchObject({ protocol: 's3' });
});

test('an upload is charged to the budget of its user, and belongs to a conversation of the user', async () => {
  await using direct = await startDirect({ files: { maxFileSize: 1_000, bytesPerUserAndDay: 1_000 } });
  const { ann, server, conversationId } = direct.files;
  await direct.begin(Buffer.alloc(900));
  const request = { conversationId, fileName: 'a', mimeType: 'text/plain', size: 200 };
  expect(await ann.refused('file:request-upload', request)).toMatchObject({ code: 'RATE_LIMITED' });
  expect(await ann.refused('file:request-upload', { ...request, size: 1_001 })).toMatchObject({
    code: 'FILE_TOO_LARGE',
  });
  const carl = await server.connect('carl');
  expect(await carl.refused('file:request-upload', request)).toMatchObject({ code: 'NOT_FOUND' });
  expect(await direct.rig.server.uploads()).toHaveLength(1);
});

test('an upload that is given up or expires is aborted in the bucket', async () => {
  const clock = manualClock();
  const db = new DatabaseSync(':memory:');
  await using direct = await startDirect({ clock, db });
  const given = await direct.begin(LARGE);
  await direct.put(given.parts, 1, LARGE);
  expect((await direct.files.tus(given.uploadUrl, 'DELETE')).status).toBe(204);
  expect(await direct.rig.server.uploads()).toEqual([]);
  const expired = await direct.begin(LARGE);
  await direct.put(expired.parts, 2, LARGE);
  expect(await direct.rig.server.uploads()).toHaveLength(1);
  clock.sleep(DAY_MS + 1_000);
  await serverCoreFor({ db }).services.files.sweep();
  expect([await direct.rig.server.uploads(), await direct.rig.server.keys()]).toEqual([[], []]);
  expect(await direct.put(expired.parts, 1, LARGE)).toBe(404);
});

test('an upload that was begun in the bucket is continued through the server by tus, or replaced by a PUT', async () => {
  await using direct = await startDirect();
  const { files } = direct;
  const ready = await direct.begin(LARGE);
  await direct.put(ready.parts, 1, LARGE);
  await direct.put(ready.parts, 3, LARGE);
  expect((await files.tus(ready.uploadUrl, 'HEAD')).headers.get('upload-offset')).toBe(String(PART));
  const more = await files.tus(ready.uploadUrl, 'PATCH', PART, LARGE.subarray(PART, PART + 1_000));
  expect(more.headers.get('upload-offset')).toBe(String(PART + 1_000));
  expect(await codeOf(await direct.ask(ready))).toEqual([501, 'UNSUPPORTED']);
  expect((await files.tus(ready.uploadUrl, 'PATCH', PART + 1_000, LARGE.subarray(PART + 1_000))).status).toBe(204);
  const loaded = await files.load(ready.key, 'ann');
  expect(digestOf(new Uint8Array(await loaded.arrayBuffer()))).toBe(digestOf(LARGE));

  const put = await direct.begin(HELLO);
  expect((await fetch(files.url + put.uploadUrl, { method: 'PUT', body: HELLO })).status).toBe(200);
  expect(await (await files.load(put.key, 'ann')).text()).toBe('hello, file');
  expect(await direct.rig.server.uploads()).toEqual([]);
});

test('base clients, empty files, and all uploads while the bucket is down, go through the server', async () => {
  await using direct = await startDirect();
  const { files, rig } = direct;
  const { conversationId } = files;
  const base = await files.server.connectBase('bob');
  base.emit('file:request-upload', { conversationId, mimeType: 'text/plain', size: 11, fileName: 'a.txt' });
  const ready = await base.next('file:upload-ready');
  expect(ready).not.toHaveProperty('protocol');
  expect(ready).not.toHaveProperty('parts');
  expect((await fetch(files.url + ready.uploadUrl, { method: 'PUT', body: HELLO })).status).toBe(200);
  expect(await files.begin({ size: 0 })).toMatchObject({ protocol: 'tus' });
  rig.server.intercept = () => 503;
  expect(await files.begin({ size: 5 })).toMatchObject({ protocol: 'tus' });
});

test('an upload that the bucket has aborted begins again, and one that it has completed is complete', async () => {
  await using rig = await startS3Rig();
  const key = '3b241101-e2bb-4255-8caf-4136c566a962';
  const { direct } = rig.openDirect();
  if (direct === undefined) throw new Error('the storage has no direct uploads');
  const begun = await direct.begin(key, HELLO.length);
  await abortInBucket(rig, begun);
  const again = await rig.openDirect().direct?.parts(key);
  expect(again).toMatchObject({ storedBytes: 0, missing: [{ number: 1 }] });
  const response = await fetch(again?.missing[0]?.url ?? '', { method: 'PUT', body: HELLO });
  await response.arrayBuffer();
  const backend = rig.openDirect();
  expect(await backend.size(key)).toBe(HELLO.length);
  await using copy = await temporaryDirectory();
  await cp(rig.partsDirectory, copy.path, { recursive: true });
  // The answer is lost, and the request repeated.
  let posts = 0;
  rig.server.intercept = ({ method }) => (method === 'POST' && (posts += 1) === 1 ? 'lose' : undefined);
  await backend.complete(key);
  expect(posts).toBe(2);
  // As if the process had ended before it deleted its state.
  await cp(copy.path, rig.partsDirectory, { recursive: true });
  const restarted = rig.openDirect();
  expect(await restarted.direct?.parts(key)).toBeUndefined();
  expect(await restarted.size(key)).toBe(HELLO.length);
  await restarted.complete(key);
  expect(await restarted.size(key)).toBe(HELLO.length);
  expect(await readdir(rig.partsDirectory)).toEqual([]);
});

test('a part that is replaced while the file is completed makes the request fail for the moment', async () => {
  await using rig = await startS3Rig();
  const key = '3b241101-e2bb-4255-8caf-4136c566a962';
  const backend = rig.openDirect();
  const begun = await backend.direct?.begin(key, HELLO.length);
  const url = begun?.missing[0]?.url ?? '';
  await (await fetch(url, { method: 'PUT', body: HELLO })).arrayBuffer();
  rig.server.intercept = ({ method }) => (method === 'POST' ? 'invalid-part' : undefined);
  await expect(backend.complete(key)).rejects.toThrow(StorageUnavailable);
  rig.server.intercept = () => undefined;
  await backend.complete(key);
  expect(await backend.size(key)).toBe(HELLO.length);
});

test('a file of many parts has few URLs at a time, and large files have large parts', async () => {
  await using rig = await startS3Rig();
  const { direct } = rig.openDirect();
  const many = await direct?.begin('3b241101-e2bb-4255-8caf-4136c566a962', 60 * PART);
  expect(many?.missing).toHaveLength(50);
  const large = await direct?.begin('4b241101-e2bb-4255-8caf-4136c566a962', 150 * 1_024 * MIB);
  expect(large?.partBytes).toBe(18 * MIB);
});

test('requests for an upload to the bucket are charged by listings and URLs', async () => {
  // No budget is refilled, because the clock stands still.
  const limits = { requests: { burst: 100, perSecond: 1 } };
  const statuses = async (size: number, method: 'GET' | 'HEAD'): Promise<number[]> => {
    await using direct = await startDirect({ limits, clock: manualClock(), files: { maxFileSize: 100 * PART } });
    const { uploadUrl } = await direct.files.begin({ size });
    const headers = { 'tus-resumable': '1.0.0' };
    const found: number[] = [];
    for (let request = 0; request < 10; request += 1) {
      const response = await fetch(direct.files.url + uploadUrl, { method, headers });
      await response.arrayBuffer();
      found.push(response.status);
    }
    return found;
  };
  expect(await statuses(5, 'HEAD')).toContain(429);
  expect(await statuses(5, 'GET')).toContain(429);
  expect((await statuses(60 * PART, 'GET')).slice(0, 2)).toEqual([200, 429]);
});

test('parts are listed once for the state of an upload, and a few times when it is completed', async () => {
  await using direct = await startDirect();
  const ready = await direct.begin(HELLO);
  let listings = 0;
  direct.rig.server.intercept = ({ method, url = '' }) =>
    void (listings += Number(method === 'GET' && url.includes('part-number-marker')));
  const during = async (request: () => Promise<Response>): Promise<number> => {
    listings = 0;
    await (await request()).arrayBuffer();
    return listings;
  };
  expect(await during(() => direct.ask(ready))).toBe(1);
  expect(await during(() => direct.files.tus(ready.uploadUrl, 'HEAD'))).toBe(1);
  await direct.put(ready.parts, 1, HELLO);
  expect(await during(() => direct.ask(ready))).toBe(3);
  expect(await during(() => direct.ask(ready))).toBe(0);
});
