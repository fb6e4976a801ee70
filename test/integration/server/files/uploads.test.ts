import { mkdir, readdir, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import { fc } from '../../../helpers/property.ts';
import { startServer } from '../../../helpers/server/comm-server.ts';
import { PNG, startFileServer, type FileServer } from '../../../helpers/server/files.ts';
import { manualClock } from '../../../helpers/manual-clock.ts';
import { CommError } from '../../../../src/protocol/errors.ts';
import { serverCoreFor } from '../../../../src/server/server-core.ts';
import type { ReceivedFile } from '../../../../src/server/index.ts';
import { eventually } from '../../../helpers/eventually.ts';

const HELLO = Buffer.from('hello, file');
const DAY_MS = 86_400_000;

async function codeOf(response: Response): Promise<[number, string]> {
  const { error } = (await response.json()) as { error: { code: string } };
  return [response.status, error.code];
}

/** Asks for the state of an upload until a request that sends bytes has ended. @returns the number of stored bytes */
async function askUntilEnded(files: FileServer, path: string, sending: Promise<unknown>): Promise<number> {
  let ended = false;
  const end = (): void => void (ended = true);
  sending.then(end, end);
  for (;;) {
    const response = await files.tus(path, 'HEAD');
    if (ended) return Number(response.headers.get('upload-offset'));
  }
}

/** Names of all stored files. */
async function stored({ directory }: FileServer): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name);
}

describe('file:request-upload', () => {
  test('is rejected with UNSUPPORTED by a server that stores no files', async () => {
    await using server = await startServer();
    const ann = await server.connect('ann');
    const { id: conversationId } = await ann.ask('conversation:create', { type: 'group', participantIds: [] });
    const request = { conversationId, mimeType: 'image/png', size: 1, fileName: 'a.png' };
    expect(await ann.refused('file:request-upload', request)).toMatchObject({ code: 'UNSUPPORTED' });
    expect(await ann.refused('file:sign', { fileIds: ['f'] })).toMatchObject({ code: 'UNSUPPORTED' });
    expect(ann.payloads('comm:hello')[0]?.caps).not.toContain('uploads');
  });

  test('names tus only for clients that know it, and announces the capability and the limit', async () => {
    await using files = await startFileServer({ files: { maxFileSize: 1_000 } });
    const { ann, server, conversationId } = files;
    const [hello] = ann.payloads('comm:hello');
    expect([hello?.caps.includes('uploads'), hello?.limits.maxFileSize]).toEqual([true, 1_000]);
    expect(await files.begin()).toMatchObject({ protocol: 'tus' });
    const base = await server.connectBase('bob');
    base.emit('file:request-upload', { conversationId, mimeType: 'text/plain', size: 11, fileName: 'a.txt' });
    const ready = await base.next('file:upload-ready');
    expect(ready).not.toHaveProperty('protocol');
    const response = await fetch(files.url + ready.uploadUrl, { method: 'PUT', body: HELLO });
    expect([response.status, await response.json()]).toEqual([200, { url: ready.key }]);
  });

  test('is rejected for a conversation of others, a size and a type above the limits', async () => {
    await using files = await startFileServer({ files: { maxFileSize: 10, allowedMimeTypes: ['image/*'] } });
    const carl = await files.server.connect('carl');
    const { conversationId } = files;
    const request = { conversationId, mimeType: 'image/png', size: 1, fileName: 'a.png' };
    expect(await carl.refused('file:request-upload', request)).toMatchObject({ code: 'NOT_FOUND' });
    const { ann } = files;
    const refused = (more: object) => ann.refused('file:request-upload', { ...request, ...more });
    expect(await refused({ size: 11 })).toMatchObject({ code: 'FILE_TOO_LARGE' });
    expect(await refused({ mimeType: 'text/html' })).toMatchObject({ code: 'MIME_TYPE_NOT_ALLOWED' });
    expect(await refused({ mimeType: 'image/png\r\nx: y' })).toMatchObject({ code: 'INVALID' });
  });

  test('is charged to a budget per user and day', async () => {
    await using files = await startFileServer({ files: { maxFileSize: 1_000, bytesPerUserAndDay: 1_000 } });
    await files.begin({ size: 900 });
    const { ann, conversationId } = files;
    const request = { conversationId, mimeType: 'image/png', size: 900, fileName: 'a.png' };
    const refused = await ann.refused('file:request-upload', request);
    expect(refused.code).toBe('RATE_LIMITED');
    expect(refused.retryAfterMs).toBeGreaterThan(DAY_MS / 2);
  });

  test('is charged only if it is begun', async () => {
    await using files = await startFileServer({ files: { maxFileSize: 1_000, bytesPerUserAndDay: 1_000 } });
    const carl = await files.server.connect('carl');
    const request = { conversationId: files.conversationId, mimeType: 'image/png', size: 900, fileName: 'a.png' };
    for (let time = 0; time < 2; time += 1) {
      expect(await carl.refused('file:request-upload', request)).toMatchObject({ code: 'NOT_FOUND' });
    }
    const { id: conversationId } = await carl.ask('conversation:create', { type: 'group', participantIds: [] });
    expect(await carl.ask('file:request-upload', { ...request, conversationId })).toHaveProperty('uploadUrl');
  });

  test('is rejected while a user has a hundred uploads in progress, and allowed after one is given up', async () => {
    await using files = await startFileServer();
    const [first] = await Promise.all(Array.from({ length: 100 }, () => files.begin()));
    const { ann, conversationId } = files;
    const request = { conversationId, mimeType: 'image/png', size: 1, fileName: 'a.png' };
    expect(await ann.refused('file:request-upload', request)).toMatchObject({ code: 'RATE_LIMITED' });
    expect((await files.tus(first?.uploadUrl ?? '', 'DELETE')).status).toBe(204);
    expect(await ann.ask('file:request-upload', request)).toHaveProperty('uploadUrl');
  });
});

describe('a PUT', () => {
  test.each([
    ['more', 'hello, file hello, file', [413, 'FILE_TOO_LARGE']],
    ['fewer', 'hello', [400, 'INVALID']],
  ])('with %s bytes than announced is rejected', async (_, body, answer) => {
    await using files = await startFileServer();
    const { uploadUrl } = await files.begin({ size: HELLO.length });
    expect(await codeOf(await fetch(files.url + uploadUrl, { method: 'PUT', body }))).toEqual(answer);
  });

  test('may be repeated, and replaces what an earlier one has left', async () => {
    await using files = await startFileServer();
    const { uploadUrl, key } = await files.begin({ size: HELLO.length });
    const put = (body: string) => fetch(files.url + uploadUrl, { method: 'PUT', body });
    await (await put('something')).arrayBuffer();
    for (let time = 0; time < 2; time += 1) expect((await put('hello, file')).status).toBe(200);
    expect(await (await files.load(key, 'ann')).text()).toBe('hello, file');
  });

  test('that replaces bytes is charged for them', async () => {
    const clock = manualClock();
    await using files = await startFileServer({ clock, files: { maxFileSize: 1_000, bytesPerUserAndDay: 1_000 } });
    const { uploadUrl } = await files.begin({ size: 500 });
    const put = async (): Promise<unknown> =>
      codeOf(await fetch(files.url + uploadUrl, { method: 'PUT', body: Buffer.alloc(499) }));
    expect([await put(), await put()]).toEqual([
      [400, 'INVALID'],
      [400, 'INVALID'],
    ]);
    expect(await put()).toEqual([429, 'RATE_LIMITED']);
    // What is stored can be continued without being charged again.
    expect((await files.tus(uploadUrl, 'PATCH', 499, Buffer.alloc(1))).status).toBe(204);
  });

  test.each([
    ['an unknown id', '/__nk_comm/uploads/00000000-0000-4000-8000-000000000000/key'],
    ['a path in the id', '/__nk_comm/uploads/..%2f..%2fetc%2fpasswd/key'],
  ])('to %s is 404', async (_, path) => {
    await using files = await startFileServer();
    expect(await codeOf(await fetch(files.url + path, { method: 'PUT', body: HELLO }))).toEqual([404, 'NOT_FOUND']);
  });

  test('with the key of another upload is 404', async () => {
    await using files = await startFileServer();
    const [one, other] = [await files.begin(), await files.begin()];
    const mixed = one.uploadUrl.replace(one.fileId, other.fileId);
    expect((await fetch(files.url + mixed, { method: 'PUT', body: 'x' })).status).toBe(404);
    expect(await stored(files)).toEqual([]);
  });
});

describe('a tus upload', () => {
  test('stores every byte once, however it is cut into requests and however often they are repeated', async () => {
    await using files = await startFileServer();
    const cuts = fc.array(fc.nat({ max: 700 }), { minLength: 20, maxLength: 20 });
    const upload = async (bytes: Uint8Array, lengths: number[]): Promise<void> => {
      const { uploadUrl, key } = await files.begin({ size: bytes.length });
      let offset = 0;
      for (const length of [...lengths, bytes.length]) {
        if (offset === bytes.length) break;
        const response = await files.tus(uploadUrl, 'PATCH', offset, bytes.subarray(offset, offset + length));
        expect(response.status).toBe(204);
        const head = await files.tus(uploadUrl, 'HEAD');
        expect(head.headers.get('upload-offset')).toBe(response.headers.get('upload-offset'));
        expect(head.headers.get('upload-length')).toBe(String(bytes.length));
        const before = offset;
        offset = Number(head.headers.get('upload-offset'));
        // As if the answer had been lost.
        const repeated = offset > before && (await files.tus(uploadUrl, 'PATCH', before, bytes)).status;
        expect([false, 409]).toContain(repeated);
      }
      expect(new Uint8Array(await (await files.load(key, 'ann')).arrayBuffer())).toEqual(bytes);
    };
    await fc.assert(fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 2_000 }), cuts, upload), { numRuns: 15 });
  });

  test('keeps what a request has sent before its connection was lost', async () => {
    await using files = await startFileServer();
    const { uploadUrl, key } = await files.begin({ size: HELLO.length });
    const lost = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(HELLO.subarray(0, 5)),
    });
    const pending = files.tus(uploadUrl, 'PATCH', 0, lost);
    // The server waits for the other bytes of the first request until another one arrives.
    const [first, head] = await Promise.allSettled([pending, askUntilEnded(files, uploadUrl, pending)]);
    const answer = first.status === 'fulfilled' ? await codeOf(first.value).catch(() => 'closed') : 'closed';
    expect(['closed', [409, 'CONFLICT']]).toContainEqual(answer);
    const offset = head.status === 'fulfilled' ? head.value : -1;
    expect(offset).toBeGreaterThanOrEqual(0);
    const rest = await files.tus(uploadUrl, 'PATCH', offset, HELLO.subarray(offset));
    expect(rest.headers.get('upload-offset')).toBe(String(HELLO.length));
    expect(await (await files.load(key, 'ann')).text()).toBe('hello, file');
  });

  test('is given up by DELETE: its bytes are deleted, and the URL is 404', async () => {
    await using files = await startFileServer();
    const { uploadUrl } = await files.begin({ size: HELLO.length });
    await files.tus(uploadUrl, 'PATCH', 0, HELLO.subarray(0, 4));
    expect(await stored(files)).toHaveLength(1);
    expect((await files.tus(uploadUrl, 'DELETE')).status).toBe(204);
    expect((await files.tus(uploadUrl, 'HEAD')).status).toBe(404);
    expect(await stored(files)).toEqual([]);
  });

  test('checks version, content type and offset of its requests', async () => {
    await using files = await startFileServer();
    const { uploadUrl } = await files.begin({ size: HELLO.length });
    const patch = (headers: Record<string, string>) =>
      fetch(files.url + uploadUrl, { method: 'PATCH', headers, body: HELLO });
    const valid = {
      'tus-resumable': '1.0.0',
      'content-type': 'application/offset+octet-stream',
      'upload-offset': '0',
    };
    const old = await patch({ ...valid, 'tus-resumable': '0.2.0' });
    expect([old.status, old.headers.get('tus-version')]).toEqual([412, '1.0.0']);
    expect((await patch({ ...valid, 'content-type': 'text/plain' })).status).toBe(415);
    expect((await patch({ ...valid, 'upload-offset': '-1' })).status).toBe(400);
    expect((await patch({ ...valid, 'upload-offset': '3' })).status).toBe(409);
    expect((await patch(valid)).status).toBe(204);
  });

  test('refuses to create and to concatenate uploads, and says so beforehand', async () => {
    await using files = await startFileServer({ files: { maxFileSize: 1_000 } });
    const { uploadUrl } = await files.begin({ size: HELLO.length });
    for (const concat of ['partial', `final;${uploadUrl} ${uploadUrl}`]) {
      const headers = { 'tus-resumable': '1.0.0', 'upload-concat': concat, 'upload-length': '0' };
      const response = await fetch(files.url + uploadUrl, { method: 'POST', headers });
      expect(await codeOf(response)).toEqual([501, 'UNSUPPORTED']);
    }
    const { headers } = await fetch(files.url + uploadUrl, { method: 'OPTIONS' });
    expect(headers.get('tus-version')).toBe('1.0.0');
    expect(headers.get('tus-extension')).toBe('expiration,termination');
    expect(headers.get('tus-max-size')).toBe('1000');
    expect((await files.tus(uploadUrl, 'HEAD')).headers.get('cache-control')).toBe('no-store');
  });

  test('has expired after a day', async () => {
    const clock = manualClock();
    await using files = await startFileServer({ clock });
    const { uploadUrl, expiresAt } = await files.begin({ size: HELLO.length });
    const head = await files.tus(uploadUrl, 'HEAD');
    expect(head.headers.get('upload-expires')).toBe(new Date(expiresAt).toUTCString());
    await files.tus(uploadUrl, 'PATCH', 0, HELLO.subarray(0, 5));
    clock.sleep(DAY_MS + 1_000);
    expect(await codeOf(await files.tus(uploadUrl, 'PATCH', 5, HELLO.subarray(5)))).toEqual([404, 'NOT_FOUND']);
    for (const method of ['HEAD', 'DELETE']) expect((await files.tus(uploadUrl, method)).status).toBe(404);
  });

  test('of no bytes is completed by an empty request', async () => {
    await using files = await startFileServer();
    const { uploadUrl, key } = await files.begin({ size: 0, mimeType: 'text/plain' });
    expect((await files.tus(uploadUrl, 'PATCH', 0, new Uint8Array())).status).toBe(204);
    const response = await files.load(key, 'ann');
    expect([response.status, await response.text()]).toEqual([200, '']);
  });
});

describe('the received bytes', () => {
  const SVG = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>');
  test.each([
    ['HTML as a PNG', 'image/png', Buffer.from('<html><script>alert(1)</script></html>')],
    ['an SVG as a PNG', 'image/png', SVG],
    ['a PNG as a JPEG', 'image/jpeg', PNG],
    ['a PNG as text', 'text/plain', PNG],
    ['text as audio', 'audio/mpeg', HELLO],
    ['a PNG as a video', 'video/mp4', PNG],
    ['text as a PDF', 'application/pdf', HELLO],
  ])('must be of the announced type: %s is rejected and deleted', async (_, mimeType, bytes) => {
    await using files = await startFileServer();
    const { uploadUrl, key } = await files.begin({ mimeType, size: bytes.length });
    const response = await fetch(files.url + uploadUrl, { method: 'PUT', body: bytes });
    expect(await codeOf(response)).toEqual([415, 'MIME_TYPE_NOT_ALLOWED']);
    expect((await files.load(key, 'ann')).status).toBe(404);
    expect(await stored(files)).toEqual([]);
  });

  test.each([
    ['image/png', PNG],
    ['image/apng', PNG],
    ['image/svg+xml', SVG],
    ['text/html', Buffer.from('<html></html>')],
    ['application/octet-stream', PNG],
    ['application/x-something', HELLO],
  ])('may be %s', async (mimeType, bytes) => {
    await using files = await startFileServer();
    expect(await files.upload(bytes, { mimeType })).toMatchObject({ mimeType });
  });

  test('are shown to the hook beforeUpload, which can reject the file', async () => {
    const seen: Omit<ReceivedFile, 'read'>[] = [];
    await using files = await startFileServer({
      hooks: {
        async beforeUpload(file) {
          seen.push(file);
          const chunks: Uint8Array[] = [];
          for await (const chunk of file.read()) chunks.push(chunk);
          if (Buffer.concat(chunks).includes('virus')) throw new CommError('FORBIDDEN', 'The file contains a virus');
        },
      },
    });
    await files.upload(HELLO, { fileName: 'good.txt' });
    expect(seen).toMatchObject([{ uploaderId: 'ann', fileName: 'good.txt', size: HELLO.length }]);
    const { uploadUrl } = await files.begin({ size: 5 });
    const response = await files.tus(uploadUrl, 'PATCH', 0, Buffer.from('virus'));
    expect(await codeOf(response)).toEqual([403, 'FORBIDDEN']);
    expect((await files.tus(uploadUrl, 'HEAD')).status).toBe(404);
    expect(await stored(files)).toHaveLength(1);
  });

  test('are checked once if the request that sent the last of them has not ended', async () => {
    let checks = 0;
    await using files = await startFileServer({ hooks: { beforeUpload: () => void (checks += 1) } });
    const { fileId, uploadUrl, key } = await files.begin({ size: HELLO.length });
    const unended = new ReadableStream<Uint8Array>({ start: (controller) => controller.enqueue(HELLO) });
    const sending = files.tus(uploadUrl, 'PATCH', 0, unended).then(codeOf, () => 'closed');
    const path = join(files.directory, fileId.slice(0, 2), fileId);
    await eventually(async () => expect((await stat(path)).size).toBe(HELLO.length));
    const response = await files.tus(uploadUrl, 'PATCH', HELLO.length, new Uint8Array());
    expect([response.status, response.headers.get('upload-offset')]).toEqual([204, String(HELLO.length)]);
    expect(['closed', [409, 'CONFLICT']]).toContainEqual(await sending);
    expect(checks).toBe(1);
    expect(await (await files.load(key, 'ann')).text()).toBe('hello, file');
  });

  test('that do not fit on the disk are answered with a clear error, and nothing else is lost', async () => {
    await using files = await startFileServer();
    const { fileId, uploadUrl } = await files.begin({ size: HELLO.length });
    const folder = join(files.directory, fileId.slice(0, 2));
    await mkdir(folder, { recursive: true });
    // Every write to this device fails with ENOSPC.
    await symlink('/dev/full', join(folder, fileId));
    const response = await files.tus(uploadUrl, 'PATCH', 0, HELLO);
    expect(response.headers.get('retry-after')).toBe('60');
    expect([response.status, await response.json()]).toMatchObject([
      503,
      { error: { code: 'UNAVAILABLE', message: 'The file storage is full' } },
    ]);
    const attachment = await files.upload(HELLO);
    expect(await (await files.load(attachment.url, 'ann')).text()).toBe('hello, file');
    expect((await files.tus(uploadUrl, 'HEAD')).headers.get('upload-offset')).toBe('0');
  });
});

describe('a sweep', () => {
  test('deletes unfinished uploads and unattached files after a day, and keeps attached ones', async () => {
    const clock = manualClock();
    const db = new DatabaseSync(':memory:');
    await using files = await startFileServer({ clock, db });
    const attached = await files.upload(HELLO);
    await files.send(attached);
    const unattached = await files.upload(HELLO);
    const unfinished = await files.begin({ size: 10 });
    await files.tus(unfinished.uploadUrl, 'PATCH', 0, HELLO.subarray(0, 5));
    const { services } = serverCoreFor({ db });
    await services.files.sweep();
    expect(await stored(files)).toHaveLength(3);
    clock.sleep(DAY_MS + 1_000);
    await services.files.sweep();
    expect(await stored(files)).toHaveLength(1);
    expect((await files.load(attached.url, 'ann')).status).toBe(200);
    expect((await files.load(unattached.url, 'ann')).status).toBe(404);
    expect((await files.tus(unfinished.uploadUrl, 'HEAD')).status).toBe(404);
  });

  test('ends requests that still send bytes of an expired upload', async () => {
    const clock = manualClock();
    const db = new DatabaseSync(':memory:');
    await using files = await startFileServer({ clock, db });
    const { uploadUrl } = await files.begin({ size: 10 });
    const slow = new ReadableStream<Uint8Array>({ start: (controller) => controller.enqueue(Buffer.from('a')) });
    const sending = files
      .tus(uploadUrl, 'PATCH', 0, slow)
      .then(codeOf)
      .catch(() => 'closed');
    await eventually(async () => expect(await stored(files)).toHaveLength(1));
    clock.sleep(DAY_MS + 1_000);
    await serverCoreFor({ db }).services.files.sweep();
    expect(await stored(files)).toEqual([]);
    expect(['closed', [409, 'CONFLICT']]).toContainEqual(await sending);
  });
});
