import { expect, onTestFinished, test } from 'vitest';
import { CommError } from '../../../src/protocol/errors.ts';
import { startServerProcess } from '../../../src/server/testing/server-process.ts';
import { App } from '../../helpers/client/app.ts';
import { startBase } from '../../helpers/client/base-world.ts';
import { breakingLine, bytesOf, digestOf, eager, MIB, startFiles } from '../../helpers/client/file-world.ts';
import { startWorld } from '../../helpers/client/world.ts';
import { PNG } from '../../helpers/server/files.ts';
import { temporaryDirectory } from '../../helpers/temporary-directory.ts';

test('a file is uploaded, sent and downloaded by the other member', async () => {
  const { alice, bob, conversationId } = await startFiles();
  const bytes = bytesOf(3 * MIB);
  const progress: number[] = [];
  const attachment = await alice.client.files.upload(new File([bytes], 'data.bin'), {
    conversationId,
    onProgress: (done) => progress.push(done),
  });
  expect(attachment).toMatchObject({ fileName: 'data.bin', mimeType: 'application/octet-stream', fileSize: 3 * MIB });
  expect(progress.at(-1)).toBe(3 * MIB);
  expect(progress).toEqual(progress.toSorted((a, b) => a - b));
  await alice.client.messages.send({ conversationId, content: 'a file', attachment });
  const received = await bob.next('message:new');
  expect(received.attachment).toEqual(attachment);
  const loaded: [number, number][] = [];
  const blob = await bob.client.files.download(attachment, { onProgress: (...step) => loaded.push(step) });
  expect(await digestOf(blob)).toBe(await digestOf(new Blob([bytes])));
  expect([blob.type, loaded.at(-1)]).toEqual(['application/octet-stream', [3 * MIB, 3 * MIB]]);
});

test('an upload over a line that is cut every 200 KB sends little more than the file', async () => {
  const line = breakingLine(200_000);
  const { alice, conversationId } = await startFiles({}, { fetch: line.fetch, random: eager });
  const bytes = bytesOf(2 * MIB);
  const attachment = await alice.client.files.upload(new Blob([bytes]), { conversationId });
  expect(line.cuts).toBeGreaterThan(0);
  expect(line.sentBytes).toBeLessThanOrEqual(bytes.length + (line.cuts + 1) * 200_000);
  expect(await digestOf(await alice.client.files.download(attachment))).toBe(await digestOf(new Blob([bytes])));
});

test('a download continues where its connection was cut', async () => {
  const { alice, server, conversationId } = await startFiles();
  const attachment = await alice.client.files.upload(new Blob([bytesOf(MIB)]), { conversationId });
  const line = breakingLine(300_000, 2);
  const again = new App(server.url, { userId: 'alice', fetch: line.fetch, random: eager });
  onTestFinished(() => again[Symbol.asyncDispose]());
  await again.client.connect();
  const blob = await again.client.files.download(attachment);
  expect(line.cuts).toBe(2);
  expect(await digestOf(blob)).toBe(await digestOf(new Blob([bytesOf(MIB)])));
});

test('an upload survives that the server is killed in the middle of a part', { timeout: 120_000 }, async () => {
  await using directory = await temporaryDirectory();
  await using process = await startServerProcess({
    database: `${directory.path}/comm.sqlite`,
    args: ['--files', `${directory.path}/files`],
  });
  const line = breakingLine(200_000, 1);
  line.onCut = async () => {
    await process.kill('SIGKILL');
    await process.restart();
  };
  await using alice = new App(process.url, { userId: 'alice', fetch: line.fetch, random: eager });
  await alice.client.connect();
  const { id: conversationId } = await alice.client.conversations.create({ type: 'group', participantIds: [] });
  const bytes = bytesOf(2 * MIB);
  const attachment = await alice.client.files.upload(new Blob([bytes]), { conversationId });
  expect(line.cuts).toBe(1);
  expect(await digestOf(await alice.client.files.download(attachment))).toBe(await digestOf(new Blob([bytes])));
});

test('URLs are asked for together, reused, absolute and usable without a header', async () => {
  const { alice, server, conversationId } = await startFiles();
  const { files } = alice.client;
  const attachments = await Promise.all(
    [1, 2, 3].map((seed) => files.upload(new Blob([bytesOf(10, seed)]), { conversationId })),
  );
  const asked = (): number => alice.port.sent.filter((name) => name === 'file:sign').length;
  const urls = await Promise.all(attachments.map((attachment) => files.url(attachment)));
  expect(asked()).toBe(1);
  expect(await files.url(attachments[0] ?? { url: '' })).toBe(urls[0]);
  expect(asked()).toBe(1);
  expect(urls[0]).toMatch(new RegExp(`^${server.url}/__nk_comm/files/`));
  const response = await fetch(urls[0] ?? '');
  expect(new Uint8Array(await response.arrayBuffer())).toEqual(bytesOf(10, 1));
});

test('URLs of other servers are returned as they are, and those that a page must not open are refused', async () => {
  const { alice } = await startFiles();
  const url = 'https://cdn.example.com/__nk_comm/files/a/b.png?x=1';
  expect(await alice.client.files.url({ url })).toBe(url);
  const preview = URL.createObjectURL(new Blob(['preview']));
  expect(await alice.client.files.url({ url: preview })).toBe(preview);
  URL.revokeObjectURL(preview);
  await expect(alice.client.files.url({ url: 'javascript:alert(1)' })).rejects.toThrow(TypeError);
});

test("a file that the user can't read is NOT_FOUND", async () => {
  const { alice, bob, conversationId } = await startFiles();
  const attachment = await alice.client.files.upload(new Blob(['x']), { conversationId });
  await expect(bob.client.files.url(attachment)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await expect(bob.client.files.download(attachment)).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('an aborted upload rejects with the reason and deletes what was sent', async () => {
  const line = breakingLine(Infinity);
  const { alice, conversationId } = await startFiles({}, { fetch: line.fetch });
  const controller = new AbortController();
  const reason = new Error('not wanted');
  const uploading = alice.client.files.upload(new Blob([bytesOf(2 * MIB)]), {
    conversationId,
    signal: controller.signal,
    onProgress: () => controller.abort(reason),
  });
  await expect(uploading).rejects.toBe(reason);
  expect(line.requests.map((each) => each.split(' ')[0])).toEqual(['PATCH', 'DELETE']);
});

test('a rejection of the server reaches the app, and the upload is not repeated', async () => {
  const line = breakingLine(Infinity);
  const beforeUpload = (): void => {
    throw new CommError('FORBIDDEN', 'The file contains a virus');
  };
  const { alice, conversationId } = await startFiles({ maxFileSize: 1_000 }, { fetch: line.fetch }, { beforeUpload });
  const upload = (file: Blob) => alice.client.files.upload(file, { conversationId });
  await expect(upload(new Blob([bytesOf(1_001)]))).rejects.toMatchObject({ code: 'FILE_TOO_LARGE' });
  expect(line.requests).toEqual([]);
  const lie = new Blob(['<html>'], { type: 'image/png' });
  await expect(upload(lie)).rejects.toMatchObject({ code: 'MIME_TYPE_NOT_ALLOWED' });
  await expect(upload(new Blob([PNG], { type: 'image/png' }))).rejects.toMatchObject({
    code: 'FORBIDDEN',
    message: 'The file contains a virus',
  });
  expect(line.requests.map((each) => each.split(' ')[0])).toEqual(['PATCH', 'PATCH']);
});

test('an upload that no attempt completes ends with UPLOAD_FAILED', async () => {
  let attempts = 0;
  const fail: typeof fetch = () => {
    attempts += 1;
    return Promise.reject(new TypeError('fetch failed'));
  };
  const { alice, conversationId } = await startFiles({}, { fetch: fail, random: eager });
  const uploading = alice.client.files.upload(new Blob(['x']), { conversationId });
  await expect(uploading).rejects.toMatchObject({ code: 'UPLOAD_FAILED', retryable: true });
  // The last request gives the upload up.
  expect(attempts).toBe(9);
});

test('an upload waits as long as the storage of the server is not available', async () => {
  let outages = 0;
  const refuse: typeof fetch = async (url, init) => {
    if (outages === 20) return await fetch(url, init);
    outages += 1;
    const error = { code: 'UNAVAILABLE', message: 'The file storage is not available', retryAfterMs: 1 };
    return Response.json({ error }, { status: 503 });
  };
  const { alice, conversationId } = await startFiles({}, { fetch: refuse, random: eager });
  const attachment = await alice.client.files.upload(new Blob(['x']), { conversationId });
  expect(outages).toBe(20);
  expect(await (await alice.client.files.download(attachment)).text()).toBe('x');
});

test('wrong use is a TypeError, and a server without files is UNSUPPORTED', async () => {
  const { join } = await startWorld();
  const { client } = await join('alice');
  const { id: conversationId } = await client.conversations.create({ type: 'group', participantIds: [] });
  const { files } = client;
  await expect(files.upload('text' as unknown as Blob, { conversationId })).rejects.toThrow(/takes a File or a Blob/);
  const misspelled = { conversationID: '1' } as unknown as { conversationId: string };
  await expect(files.upload(new Blob(), misspelled)).rejects.toThrow(/did you mean "conversationId"/);
  await expect(files.upload(new Blob(), { conversationId })).rejects.toMatchObject({ code: 'UNSUPPORTED' });
});

test('a LumenJS server gets the whole file by PUT, one request for an upload at a time', async () => {
  const puts: string[] = [];
  const store: typeof fetch = async (url, init) => {
    if (init?.method !== 'PUT') return await fetch(url, init);
    puts.push(`${url as string} ${await (init.body as Blob).text()}`);
    return new Response();
  };
  const { server, join } = await startBase();
  const conversationId = server.seedConversation({ participantIds: ['alice'] });
  const alice = await join('alice', { fetch: store });
  const files = ['one', 'two'].map((text) => new File([text], `${text}.txt`, { type: 'text/plain;charset=utf-8' }));
  const uploaded = await Promise.all(files.map((file) => alice.client.files.upload(file, { conversationId })));
  expect(uploaded.map(({ url, mimeType }) => [url, mimeType])).toEqual([
    ['https://storage.example.com/one.txt', 'text/plain'],
    ['https://storage.example.com/two.txt', 'text/plain'],
  ]);
  expect(puts.toSorted()).toEqual([
    'https://storage.example.com/one.txt?signature=1 one',
    'https://storage.example.com/two.txt?signature=1 two',
  ]);
});
