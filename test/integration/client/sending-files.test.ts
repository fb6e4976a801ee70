import { readdir, writeFile } from 'node:fs/promises';
import { expect, onTestFinished, test, vi } from 'vitest';
import { fileStorage } from '../../../src/storage/file-storage.ts';
import { isCommError, memoryStorage } from '../../../src/index.ts';
import { startServerProcess } from '../../../src/server/testing/server-process.ts';
import { startChild } from '../../helpers/child-process.ts';
import { App, until } from '../../helpers/client/app.ts';
import { startBase } from '../../helpers/client/base-world.ts';
import { breakingLine, bytesOf, digestOf, eager, heldLine, MIB, startFiles } from '../../helpers/client/file-world.ts';
import { group } from '../../helpers/client/world.ts';
import { PNG } from '../../helpers/server/files.ts';
import { temporaryDirectory } from '../../helpers/temporary-directory.ts';

test('a message with files is pending at once, and is sent when they are stored', async () => {
  const line = heldLine();
  const { alice, bob, conversationId } = await startFiles({}, { fetch: line.fetch });
  const view = alice.client.conversations.open(conversationId);
  await view.ready;
  const files = [new File([PNG], 'dot.png', { type: 'image/png' }), new Blob([bytesOf(1_000)])];
  const sending = alice.client.messages.send({ conversationId, content: 'two files', attachments: files });
  const pending = await alice.next('message:pending');
  expect(pending).toMatchObject({
    content: 'two files',
    status: 'sending',
    attachments: [
      { fileName: 'dot.png', mimeType: 'image/png', fileSize: PNG.length },
      { fileName: 'file', mimeType: 'application/octet-stream', fileSize: 1_000 },
    ],
    upload: { state: 'waiting', sentBytes: 0, totalBytes: PNG.length + 1_000, survivesReload: false },
  });
  expect(pending.attachment).toEqual(pending.attachments?.[0]);
  expect(pending.attachment?.url).toMatch(/^blob:/);
  const preview = await fetch(pending.attachments?.[1]?.url ?? '');
  expect(new Uint8Array(await preview.arrayBuffer())).toEqual(bytesOf(1_000));
  await line.waiting;
  await until(
    view,
    ({ messages }) =>
      (messages.at(-1) as typeof pending & { upload?: { state: string } }).upload?.state === 'uploading',
  );

  // By default text overtakes files.
  await alice.client.messages.send({ conversationId, content: 'text' });
  line.open();
  const message = await sending;
  expect(message).toMatchObject({
    content: 'two files',
    seq: 2,
    attachments: [{ fileName: 'dot.png' }, { fileName: 'file' }],
  });
  expect(message.attachment).toEqual(message.attachments?.[0]);
  const received = await bob.next('message:new', ({ content }) => content === 'two files');
  expect(received.attachments).toEqual(message.attachments);
  const downloaded = received.attachments?.[1];
  if (downloaded === undefined) throw new Error('The second file is missing');
  expect(await digestOf(await bob.client.files.download(downloaded))).toBe(await digestOf(new Blob([bytesOf(1_000)])));
  expect(alice.client.messages.outbox()).toEqual([]);
  const readPreview = (): Promise<string> =>
    fetch(pending.attachments?.[1]?.url ?? '').then(
      () => 'there',
      () => 'revoked',
    );
  await expect.poll(readPreview).toBe('revoked');
});

test('`ordered` keeps later messages waiting for the files', async () => {
  const line = heldLine();
  const { alice, bob, conversationId } = await startFiles({}, { fetch: line.fetch });
  const other = await group(alice, bob);
  const { messages } = alice.client;
  const file = new Blob(['x']);
  const first = messages.send({ conversationId, content: 'file', attachments: [file], ordered: true });
  await line.waiting;
  const text = messages.send({ conversationId, content: 'text' });
  // Other conversations are not held up. When this one is answered, the text would have been as well.
  await messages.send({ conversationId: other, content: 'elsewhere' });
  line.open();
  expect([(await first).seq, (await text).seq]).toEqual([1, 2]);
});

test('a reply to a message that waits for its files is sent after it', async () => {
  const line = heldLine();
  const { alice, conversationId } = await startFiles({}, { fetch: line.fetch });
  const { messages } = alice.client;
  const first = messages.send({ conversationId, content: 'file', attachments: [new Blob(['x'])] });
  const { clientId = '' } = await alice.next('message:pending');
  const reply = messages.send({ conversationId, content: 'reply', replyTo: clientId });
  const edit = messages.edit({ conversationId, messageId: clientId, content: 'edited' });
  await line.waiting;
  await messages.send({ conversationId, content: 'text' });
  line.open();
  const { id, seq } = await first;
  expect(await reply).toMatchObject({ replyTo: id, seq: 3 });
  expect(seq).toBe(2);
  expect(await edit).toMatchObject({ id, content: 'edited' });
});

test('over a line that is cut every 200 KB, little more than the file is sent', async () => {
  const line = breakingLine(200_000);
  const { alice, conversationId } = await startFiles({}, { fetch: line.fetch, random: eager });
  const bytes = bytesOf(2 * MIB);
  const { attachment } = await alice.client.messages.send({
    conversationId,
    content: '',
    attachments: [new Blob([bytes])],
  });
  expect(line.cuts).toBeGreaterThan(0);
  expect(line.sentBytes).toBeLessThanOrEqual(bytes.length + (line.cuts + 1) * 200_000);
  if (attachment === undefined) throw new Error('The file is missing');
  expect(await digestOf(await alice.client.files.download(attachment))).toBe(await digestOf(new Blob([bytes])));
});

test('the server is killed in the middle of a part, and every byte is stored once', { timeout: 120_000 }, async () => {
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
  const { attachment } = await alice.client.messages.send({
    conversationId,
    content: '',
    attachments: [new Blob([bytes])],
  });
  expect(line.cuts).toBe(1);
  if (attachment === undefined) throw new Error('The file is missing');
  expect(await digestOf(await alice.client.files.download(attachment))).toBe(await digestOf(new Blob([bytes])));
});

test('a client process that is killed in the middle of an upload continues it', { timeout: 120_000 }, async () => {
  const { server, alice, bob, conversationId } = await startFiles();
  await alice.client.disconnect();
  await using directory = await temporaryDirectory();
  const bytes = bytesOf(8 * MIB);
  await writeFile(`${directory.path}/file`, bytes);
  const args = [server.url, `${directory.path}/client.sqlite`, conversationId];
  const first = startChild('client/upload-child.ts', [...args, `${directory.path}/file`]);
  onTestFinished(() => first[Symbol.asyncDispose]());
  // A part was stored, and half of another one was sent.
  const bodies = (lines: readonly string[]): number[] =>
    lines.filter((line) => line.startsWith('part ')).map((line) => Number(line.split(' ')[1]));
  await first.until((lines) => lines.includes('stalled'));
  await first.kill('SIGKILL');
  const stored = Number(first.lines.findLast((line) => line.startsWith('stored '))?.split(' ')[1]);
  expect(first.lines).not.toContainEqual(expect.stringMatching(/^(?:sent|failed|rejected)/));

  const second = startChild('client/upload-child.ts', args);
  onTestFinished(() => second[Symbol.asyncDispose]());
  const received = await bob.next('message:new', ({ content }) => content === 'caption');
  await second.until((lines) => lines.some((line) => line.startsWith('sent ')));
  const sentBytes = bodies(second.lines).reduce((sum, size) => sum + size, 0);
  expect(stored).toBeGreaterThan(0);
  expect(sentBytes).toBeLessThanOrEqual(bytes.length - stored);
  if (received.attachment === undefined) throw new Error('The file is missing');
  expect(await digestOf(await bob.client.files.download(received.attachment))).toBe(await digestOf(new Blob([bytes])));
  await second.kill('SIGKILL');
});

test('bytes are kept by a storage that takes them until the message is sent', async () => {
  await using directory = await temporaryDirectory();
  const line = heldLine();
  const path = `${directory.path}/client.sqlite`;
  const { alice, conversationId } = await startFiles({}, { fetch: line.fetch, storage: fileStorage(path) });
  const stored = async (): Promise<string[]> => await readdir(`${path}-files`).catch(() => []);
  const { messages } = alice.client;
  const sending = messages.send({ conversationId, content: 'file', attachments: [new Blob(['x'])] });
  await expect.poll(() => messages.outbox()[0]?.upload?.survivesReload).toBe(true);
  expect(await stored()).toHaveLength(1);
  line.open();
  await sending;
  await expect.poll(stored).toEqual([]);
});

test('without a place for bytes the message says that it does not survive a reload', async () => {
  const line = heldLine();
  const { alice, conversationId } = await startFiles({}, { fetch: line.fetch, storage: memoryStorage() });
  const sending = alice.client.messages.send({ conversationId, content: '', attachments: [new Blob(['x'])] });
  await line.waiting;
  expect(alice.client.messages.outbox()[0]?.upload).toEqual({
    state: 'uploading',
    sentBytes: 0,
    totalBytes: 1,
    survivesReload: false,
  });
  line.open();
  await sending;
});

/** Lets this process decode every picture, as browsers do: to a large one. */
function decodePictures(): void {
  const bitmap = { width: 800, height: 400, close: () => undefined };
  vi.stubGlobal('createImageBitmap', () => Promise.resolve(bitmap));
  class Canvas {
    getContext(): object {
      const getImageData = (_x: number, _y: number, width: number, height: number): object => ({
        data: new Uint8Array(width * height * 4),
      });
      const convertToBlob = (): Promise<Blob> => Promise.resolve(new Blob([PNG], { type: 'image/png' }));
      return { canvas: { convertToBlob }, drawImage: () => undefined, getImageData };
    }
  }
  vi.stubGlobal('OffscreenCanvas', Canvas);
}

test('a picture has its thumbnail although the server could not take it at first', async () => {
  decodePictures();
  const { alice, conversationId } = await startFiles({}, { random: eager });
  let targets = 0;
  alice.port.bends = (told) => {
    const { data } = told as { data?: { uploadUrl?: string } };
    if (data?.uploadUrl === undefined) return told;
    targets += 1;
    // The first one is for the picture: it is described once its upload has begun.
    const error = { code: 'UNAVAILABLE', message: 'The storage is not available', retryable: true };
    return targets === 2 ? { ok: false, error } : told;
  };
  const attachments = [new File([PNG], 'sea.png', { type: 'image/png' })];
  const { attachment } = await alice.client.messages.send({ conversationId, content: '', attachments });
  expect(attachment).toMatchObject({ width: 800, height: 400, placeholder: expect.any(String) as string });
  const thumbnail = await fetch(await alice.client.files.url({ url: attachment?.thumbnailUrl ?? '' }));
  expect(Buffer.from(await thumbnail.arrayBuffer())).toEqual(PNG);
  expect(targets).toBe(3);
});

test('a discarded message ends its upload, here and on the server', async () => {
  await using directory = await temporaryDirectory();
  const line = heldLine();
  const path = `${directory.path}/client.sqlite`;
  const { alice, conversationId } = await startFiles({}, { fetch: line.fetch, storage: fileStorage(path) });
  const { messages } = alice.client;
  const sending = messages.send({ conversationId, content: '', attachments: [new Blob(['x'])] });
  const code = sending.catch((error: unknown) => isCommError(error) && error.code);
  const { clientId = '' } = await alice.next('message:pending');
  await line.waiting;
  messages.discard(clientId);
  expect(await code).toBe('CANCELLED');
  expect(messages.outbox()).toEqual([]);
  await expect.poll(() => line.requests).toEqual(['PATCH', 'DELETE']);
  await expect.poll(() => readdir(`${path}-files`)).toEqual([]);
});

test('a file that the server rejects fails its message for good', async () => {
  const { alice, conversationId } = await startFiles({ maxFileSize: 1_000, allowedMimeTypes: ['text/*'] });
  const send = (file: Blob) => alice.client.messages.send({ conversationId, content: '', attachments: [file] });
  await expect(send(new Blob([bytesOf(1_001)], { type: 'text/plain' }))).rejects.toMatchObject({
    code: 'FILE_TOO_LARGE',
  });
  await expect(send(new Blob(['x'], { type: 'image/png' }))).rejects.toMatchObject({ code: 'MIME_TYPE_NOT_ALLOWED' });
  expect(alice.client.messages.outbox()).toMatchObject([
    { status: 'failed', upload: { state: 'failed' } },
    { status: 'failed', upload: { state: 'failed' } },
  ]);
  // Text is not held up.
  await alice.client.messages.send({ conversationId, content: 'text' });
});

test('an upload that fails again and again can be retried, and continues where it ended', async () => {
  let isBroken = true;
  const sent: number[] = [];
  const unreliable: typeof fetch = async (url, init = {}) => {
    // The first part is stored.
    if (isBroken && sent.length > 0) throw new TypeError('fetch failed');
    if (init.body instanceof Blob) sent.push(init.body.size);
    return await fetch(url, init);
  };
  const { alice, conversationId } = await startFiles({}, { fetch: unreliable, random: eager });
  const { messages } = alice.client;
  const bytes = bytesOf(MIB);
  const sending = messages.send({ conversationId, content: '', attachments: [new Blob([bytes])] });
  await expect(sending).rejects.toMatchObject({ code: 'UPLOAD_FAILED', retryable: true });
  const { message } = await alice.next('message:failed');
  isBroken = false;
  const { attachment } = await messages.retry(message.clientId ?? '');
  expect(sent.reduce((sum, size) => sum + size, 0)).toBe(bytes.length);
  if (attachment === undefined) throw new Error('The file is missing');
  expect(await digestOf(await alice.client.files.download(attachment))).toBe(await digestOf(new Blob([bytes])));
});

test('with the option `encryption` the files of a readable message stay readable', async () => {
  const { alice, bob, conversationId } = await startFiles({}, { encryption: {} });
  await alice.client.messages.send({ conversationId, content: 'readable', attachments: [new Blob(['x'])] });
  const { attachment } = await bob.next('message:new');
  expect(attachment).not.toHaveProperty('keys');
  if (attachment === undefined) throw new Error('The file is missing');
  expect(await (await bob.client.files.download(attachment)).text()).toBe('x');
});

test('an upload goes on while the socket is lost, and its message is sent once', async () => {
  const line = heldLine();
  const { alice, bob, conversationId } = await startFiles({}, { fetch: line.fetch, random: eager });
  const sending = alice.client.messages.send({ conversationId, content: 'file', attachments: [new Blob(['x'])] });
  await line.waiting;
  alice.port.unplug();
  line.open();
  await expect.poll(() => alice.client.messages.outbox()[0]?.upload?.state).toBe('uploaded');
  alice.port.plug();
  expect(await sending).toMatchObject({ content: 'file', seq: 1 });
  await alice.client.messages.send({ conversationId, content: 'after' });
  await bob.next('message:new', ({ content }) => content === 'after');
  expect(bob.all('message:new').map(({ content }) => content)).toEqual(['file', 'after']);
  expect(line.requests.filter((method) => method === 'PATCH')).toHaveLength(1);
});

test('a client that is disconnected pauses the upload, and continues it with the next connect()', async () => {
  const line = heldLine();
  const { alice, conversationId } = await startFiles({}, { fetch: line.fetch, random: eager });
  const sending = alice.client.messages.send({ conversationId, content: 'file', attachments: [new Blob(['x'])] });
  await line.waiting;
  await alice.client.disconnect();
  await expect.poll(() => alice.client.messages.outbox()[0]?.upload?.state).toBe('waiting');
  line.open();
  await alice.client.connect();
  expect(await sending).toMatchObject({ content: 'file', seq: 1 });
});

test('more files than a message may have are wrong use', async () => {
  const { alice, conversationId } = await startFiles();
  const attachments = Array.from({ length: 11 }, () => new Blob(['x']));
  const { messages } = alice.client;
  await expect(messages.send({ conversationId, content: '', attachments })).rejects.toThrow(/at most 10 files/);
  const wrong = ['file'] as unknown as Blob[];
  await expect(messages.send({ conversationId, content: '', attachments: wrong })).rejects.toThrow(TypeError);
  expect(await messages.send({ conversationId, content: 'none', attachments: [] })).not.toHaveProperty('attachment');
});

test('a LumenJS server gets a file by PUT, and the message with its URL', async () => {
  const puts: string[] = [];
  const store: typeof fetch = async (url, init) => {
    if (init?.method !== 'PUT') return await fetch(url, init);
    puts.push(url as string);
    return new Response();
  };
  const { server, join } = await startBase();
  const conversationId = server.seedConversation({ participantIds: ['alice'] });
  const alice = await join('alice', { fetch: store });
  const file = new File(['one'], 'one.txt', { type: 'text/plain' });
  const { messages } = alice.client;
  const sent = await messages.send({ conversationId, content: '', attachments: [file] });
  expect(sent).toMatchObject({ content: '', attachment: { url: 'https://storage.example.com/one.txt' } });
  expect(puts).toHaveLength(1);
  const several = messages.send({ conversationId, content: '', attachments: [file, file] });
  await expect(several).rejects.toMatchObject({ code: 'UNSUPPORTED' });
});
