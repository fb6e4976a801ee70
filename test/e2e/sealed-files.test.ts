import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { BrowserContext, Page } from 'playwright';
import { expect, onTestFinished, test } from 'vitest';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import { connected, crash, shows, useTestBed, type TestBed } from './browser.ts';
import { holdUploads } from './hold-uploads.ts';

const startTestBed = useTestBed();

const SIZE = 1_500_000;
/** The client's first part, which the line lets through. */
const FIRST_PART = 256 * 1_024;
const MARK = 'We buy them on Friday';
/** Long enough not to occur in encrypted bytes. */
const PNG_START = '\0\0\0\rIHDR';

async function open(testBed: TestBed, device: BrowserContext, user: string, conversation?: string): Promise<Page> {
  const shown = conversation === undefined ? '' : `&open=${conversation}`;
  const page = await testBed.open(device, { address: `user=${user}&encrypted${shown}` });
  await connected(page);
  await page.evaluate(() => chat.client.encryption.ready);
  if (conversation !== undefined) await page.evaluate((id) => chat.view(id).ready, conversation);
  return page;
}

/** The number of files that the first message of a conversation shows. */
const filesShown = (id: string): number | undefined => chat.messages(id)[0]?.attachments?.length;

/** The bytes that a browser keeps of files, as text. */
async function keptBytes(page: Page): Promise<string[]> {
  return await page.evaluate(async () => {
    const opening = indexedDB.open('lumen-comm-files');
    const db = await new Promise<IDBDatabase>((resolve) => (opening.onsuccess = () => resolve(opening.result)));
    const reading = db.transaction('files').objectStore('files').getAll() as IDBRequest<Blob[]>;
    const blobs = await new Promise<Blob[]>((resolve) => (reading.onsuccess = () => resolve(reading.result)));
    db.close();
    return await Promise.all(blobs.map(async (blob) => new TextDecoder('latin1').decode(await blob.arrayBuffer())));
  });
}

test('an encrypted message with two files goes on after a reload in the middle of their upload', async () => {
  const directory = await temporaryDirectory();
  onTestFinished(() => directory[Symbol.asyncDispose]());
  const testBed = await startTestBed({ files: directory.path });
  const device = await testBed.device();
  const bob = await open(testBed, await testBed.device(), 'bob');
  const first = await open(testBed, device, 'alice');
  const conversation = await first.evaluate(() => chat.create(['bob'], 'files'));
  await first.close();
  const line = await holdUploads(device);
  const page = await open(testBed, device, 'alice', conversation);
  const digests = await page.evaluate(
    async ([conversationId, size, mark]) => {
      const bytes = Uint8Array.from({ length: size }, (_, at) => (at * 7) % 251);
      bytes.set(new TextEncoder().encode(mark), 300_000);
      const canvas = new OffscreenCanvas(800, 600);
      const context = canvas.getContext('2d');
      if (context === null) throw new Error('no context');
      context.fillStyle = 'teal';
      context.fillRect(0, 0, 800, 300);
      const picture = await canvas.convertToBlob({ type: 'image/png' });
      const attachments = [
        new File([bytes], 'takeover.bin'),
        new File([picture], 'harbour.png', { type: 'image/png' }),
      ];
      chat.client.messages
        .send({ conversationId, content: 'files', attachments, encrypt: true })
        .catch(() => undefined);
      const hashes = attachments.map(async (file) =>
        String(new Uint8Array(await crypto.subtle.digest('SHA-256', await file.arrayBuffer()))),
      );
      return await Promise.all(hashes);
    },
    [conversation, SIZE, MARK] as const,
  );
  await line.waits();
  const uploadOf = () => page.evaluate(() => chat.client.messages.outbox()[0]?.upload);
  await expect.poll(uploadOf).toMatchObject({ state: 'uploading', sentBytes: FIRST_PART, survivesReload: true });
  const kept = await keptBytes(page);
  expect(kept).toHaveLength(2);
  // What is looked for stands in the first file as the app gave it.
  for (const bytes of kept) for (const word of [MARK, PNG_START]) expect(bytes.includes(word)).toBe(false);
  expect(await page.evaluate(() => chat.dump())).not.toMatch(/takeover|harbour|image\/png/);

  await page.reload();
  await connected(page);
  await shows(page, conversation, ['sending: files']);
  const previews = () =>
    page.evaluate(async () => {
      const { attachments = [] } = chat.client.messages.outbox()[0] ?? {};
      return await Promise.all(
        attachments.map(async ({ url, fileName }) => [
          fileName,
          url === '' ? 0 : (await (await fetch(url)).blob()).size,
        ]),
      );
    });
  await expect.poll(previews).toEqual([
    ['takeover.bin', SIZE],
    ['harbour.png', expect.any(Number) as number],
  ]);
  await expect.poll(async () => (await previews())[1]?.[1]).toBeGreaterThan(0);
  await line.waits();
  await line.release();
  await shows(page, conversation, ['sent: files']);
  await expect.poll(() => keptBytes(page)).toEqual([]);

  await bob.evaluate((id) => chat.open(id), conversation);
  await expect.poll(() => bob.evaluate(filesShown, conversation)).toBe(2);
  const read = await bob.evaluate(async (id) => {
    const { attachments = [] } = chat.messages(id)[0] ?? {};
    const { files } = chat.client;
    const loaded = await Promise.all(attachments.map((each) => files.download(each)));
    const [, picture] = attachments;
    if (picture?.thumbnailUrl === undefined) throw new Error('The thumbnail is missing');
    const sealed = { ...picture, url: picture.thumbnailUrl, keys: picture.thumbnailKeys };
    const thumbnail = await createImageBitmap(await files.download(sealed));
    return {
      names: attachments.map(({ fileName }) => fileName),
      digests: await Promise.all(
        loaded.map(async (blob) =>
          String(new Uint8Array(await crypto.subtle.digest('SHA-256', await blob.arrayBuffer()))),
        ),
      ),
      picture,
      thumbnail: [thumbnail.width, thumbnail.height],
    };
  }, conversation);
  expect(read.names).toEqual(['takeover.bin', 'harbour.png']);
  expect(read.digests).toEqual(digests);
  expect(read.picture).toMatchObject({ width: 800, height: 600, mimeType: 'image/png' });
  expect(read.picture.placeholder).toMatch(/^[\w+/]{20,34}={0,2}$/);
  expect(read.thumbnail).toEqual([320, 240]);

  const entries = await readdir(directory.path, { recursive: true, withFileTypes: true });
  const stored = await Promise.all(
    entries.filter((each) => each.isFile()).map((each) => readFile(path.join(each.parentPath, each.name))),
  );
  // The thumbnail of before the reload may not be deleted yet.
  expect(stored.length).toBeGreaterThanOrEqual(3);
  for (const bytes of stored) for (const word of [MARK, 'WEBPVP8']) expect(bytes.includes(word)).toBe(false);
  const rows = await (await testBed.server.rest(`/conversations/${conversation}/messages`, 'alice')).text();
  for (const word of ['takeover', 'harbour', 'image/png', read.picture.placeholder ?? '?'])
    expect(rows).not.toContain(word);
});

test('another tab goes on with the encrypted upload of a tab that has crashed', async () => {
  const directory = await temporaryDirectory();
  onTestFinished(() => directory[Symbol.asyncDispose]());
  const testBed = await startTestBed({ files: directory.path });
  const device = await testBed.device();
  const bob = await open(testBed, await testBed.device(), 'bob');
  const first = await open(testBed, device, 'alice');
  const conversation = await first.evaluate(() => chat.create(['bob'], 'files'));
  await first.close();
  const line = await holdUploads(device);
  const page = await open(testBed, device, 'alice', conversation);
  await page.evaluate(
    ([conversationId, size]) => {
      const bytes = Uint8Array.from({ length: size }, (_, at) => (at * 7) % 251);
      const attachments = [new File([bytes], 'takeover.bin')];
      chat.client.messages.send({ conversationId, content: 'file', attachments, encrypt: true }).catch(() => undefined);
    },
    [conversation, SIZE] as const,
  );
  await line.waits();
  const survives = () => page.evaluate(() => chat.client.messages.outbox()[0]?.upload?.survivesReload);
  await expect.poll(survives).toBe(true);
  const other = await open(testBed, device, 'alice', conversation);
  await shows(other, conversation, ['sending: file']);
  await crash(page);
  await line.waits();
  await line.release();
  await shows(other, conversation, ['sent: file']);
  const [own] = await other.evaluate((id) => chat.messages(id)[0]?.attachments ?? [], conversation);
  expect(own).toMatchObject({ fileName: 'takeover.bin', keys: { size: SIZE } });
  await bob.evaluate((id) => chat.open(id), conversation);
  await expect.poll(() => bob.evaluate(filesShown, conversation)).toBe(1);
  const isSame = await bob.evaluate(async (id) => {
    const [attachment] = chat.messages(id)[0]?.attachments ?? [];
    if (attachment === undefined) throw new Error('The file is missing');
    const bytes = new Uint8Array(await (await chat.client.files.download(attachment)).arrayBuffer());
    return bytes.every((byte, at) => byte === (at * 7) % 251);
  }, conversation);
  expect(isSame).toBe(true);
});

test('an encrypted picture whose message was refused is sent with its thumbnail by a retry', async () => {
  const directory = await temporaryDirectory();
  onTestFinished(() => directory[Symbol.asyncDispose]());
  const testBed = await startTestBed({ files: directory.path });
  const device = await testBed.device();
  const bobsDevice = await testBed.device();
  const page = await open(testBed, device, 'alice');
  const conversation = await page.evaluate(() => chat.create(['bob'], 'files'));
  const code = await page.evaluate(async (conversationId) => {
    const canvas = new OffscreenCanvas(800, 600);
    const context = canvas.getContext('2d');
    if (context === null) throw new Error('no context');
    context.fillRect(0, 0, 800, 300);
    const attachments = [new File([await canvas.convertToBlob({ type: 'image/png' })], 'a.png', { type: 'image/png' })];
    const message = { conversationId, content: 'picture', attachments, encrypt: true, clientId: 'one' };
    return await chat.client.messages.send(message).then(
      () => 'sent',
      (error: unknown) => (error as { code: string }).code,
    );
  }, conversation);
  expect(code).toBe('E2EE_NO_KEYS');

  const bob = await open(testBed, bobsDevice, 'bob', conversation);
  await page.evaluate(() => chat.client.messages.retry('one'));
  await expect.poll(() => bob.evaluate(filesShown, conversation)).toBe(1);
  const size = await bob.evaluate(async (id) => {
    const [picture] = chat.messages(id)[0]?.attachments ?? [];
    if (picture?.thumbnailUrl === undefined) throw new Error('The thumbnail is missing');
    const sealed = { ...picture, url: picture.thumbnailUrl, keys: picture.thumbnailKeys };
    const thumbnail = await createImageBitmap(await chat.client.files.download(sealed));
    return [thumbnail.width, thumbnail.height];
  }, conversation);
  expect(size).toEqual([320, 240]);
});

test('a tab forgets the decrypted files of a message that another tab has sent', async () => {
  const directory = await temporaryDirectory();
  onTestFinished(() => directory[Symbol.asyncDispose]());
  const testBed = await startTestBed({ files: directory.path });
  const device = await testBed.device();
  await open(testBed, await testBed.device(), 'bob');
  const first = await open(testBed, device, 'alice');
  const conversation = await first.evaluate(() => chat.create(['bob'], 'files'));
  await first.close();
  const line = await holdUploads(device);
  const page = await open(testBed, device, 'alice', conversation);
  await page.evaluate(
    ([conversationId, size]) => {
      const attachments = [new File([new Uint8Array(size)], 'zeros.bin')];
      chat.client.messages.send({ conversationId, content: 'file', attachments, encrypt: true }).catch(() => undefined);
    },
    [conversation, SIZE] as const,
  );
  await line.waits();
  await expect.poll(() => page.evaluate(() => chat.client.messages.outbox()[0]?.upload?.survivesReload)).toBe(true);
  const other = await open(testBed, device, 'alice', conversation);
  await shows(other, conversation, ['sending: file']);
  const preview = () => other.evaluate(() => chat.client.messages.outbox()[0]?.attachment?.url ?? '');
  await expect.poll(preview).toMatch(/^blob:/);
  const url = await preview();
  const isThere = () => other.evaluate(async (blob) => await fetch(blob).then(Boolean, () => false), url);
  expect(await isThere()).toBe(true);
  await line.release();
  await shows(other, conversation, ['sent: file']);
  await expect.poll(isThere).toBe(false);
});
