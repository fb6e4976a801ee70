import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { BrowserContext, Page, Request, Route } from 'playwright';
import { expect, onTestFinished, test } from 'vitest';
import type { PendingMessage } from '../../src/index.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import { connected, crash, PATIENCE_MS, shows, useTestBed, type Tab } from './browser.ts';

const startTestBed = useTestBed();

const SIZE = 1_500_000;
/** The client's first part, which the line lets through. */
const FIRST_PART = 256 * 1_024;

interface Upload {
  readonly device: BrowserContext;
  readonly page: Page;
  readonly address: string;
  readonly conversation: string;
  /** Opens another tab. */
  readonly open: () => Promise<Page>;
  /** Offsets of the parts that the server has answered. */
  readonly offsets: () => number[];
  /** Resolves when a part waits that was sent since the last call. */
  readonly partWaits: () => Promise<void>;
  /** Lets through the parts that wait, and all further ones. */
  readonly release: () => Promise<void>;
  /** SHA-256 of every file of the server. */
  readonly digests: () => Promise<string[]>;
}

/**
 * A tab of alice that has sent the first part of a file, and whose second part waits.
 *
 * @param before - runs in each page before anything else
 */
async function startUpload({ before }: Pick<Tab, 'before'> = {}): Promise<Upload> {
  const directory = await temporaryDirectory();
  onTestFinished(() => directory[Symbol.asyncDispose]());
  const testBed = await startTestBed({ files: directory.path });
  const device = await testBed.device();
  const parts: Request[] = [];
  const held: Route[] = [];
  const answered = new Set<Request>();
  device.on('response', (response) => answered.add(response.request()));
  let seen = 0;
  let isReleased = false;
  await device.route(/\/uploads\//, async (route) => {
    const request = route.request();
    if (request.method() === 'PATCH') {
      if (!isReleased && parts.length > 0) return void held.push(route);
      parts.push(request);
    }
    await route.continue();
  });
  const first = await testBed.open(device, { address: 'user=alice' });
  await connected(first);
  const conversation = await first.evaluate(() => chat.create(['bob'], 'files'));
  await first.close();
  const address = `user=alice&open=${conversation}`;
  const open = async (): Promise<Page> => {
    const page = await testBed.open(device, { address, ...(before !== undefined && { before }) });
    await connected(page);
    await page.evaluate((id) => chat.view(id).ready, conversation);
    return page;
  };
  const page = await open();
  await page.evaluate(
    ([conversationId, size]) => {
      const bytes = Uint8Array.from({ length: size }, (_, at) => (at * 7) % 251);
      const attachments = [new File([bytes], 'data.bin')];
      chat.client.messages.send({ conversationId, content: 'file', attachments }).catch(() => undefined);
    },
    [conversation, SIZE] as const,
  );
  return {
    device,
    page,
    address,
    conversation,
    open,
    offsets: () => parts.filter((part) => answered.has(part)).map((part) => Number(part.headers()['upload-offset'])),
    async partWaits() {
      await expect.poll(() => held.length, { timeout: PATIENCE_MS }).toBeGreaterThan(seen);
      seen = held.length;
    },
    async release() {
      isReleased = true;
      for (const route of held) {
        const request = route.request();
        // The client gives up a part that waits for 60 s, which steps of a slow machine may take, and sends it again.
        if (request.failure() !== null) continue;
        parts.push(request);
        // Fails if the page has just given it up, or is gone.
        await route.continue().catch(() => undefined);
      }
    },
    async digests() {
      const files = await readdir(directory.path, { recursive: true, withFileTypes: true });
      const bytes = files
        .filter((each) => each.isFile())
        .map((each) => readFile(path.join(each.parentPath, each.name)));
      return (await Promise.all(bytes)).map((each) => createHash('sha256').update(each).digest('hex'));
    },
  };
}

const pendingOf = (page: Page): Promise<PendingMessage | undefined> =>
  page.evaluate(() => chat.client.messages.outbox()[0]);

/** Number of files whose bytes are in IndexedDB. */
const keptFiles = (page: Page): Promise<number> =>
  page.evaluate(async () => {
    const opening = indexedDB.open('lumen-comm-files');
    const db = await new Promise<IDBDatabase>((resolve) => (opening.onsuccess = () => resolve(opening.result)));
    const counting = db.transaction('files').objectStore('files').count();
    const count = await new Promise<number>((resolve) => (counting.onsuccess = () => resolve(counting.result)));
    db.close();
    return count;
  });

const DIGEST = createHash('sha256')
  .update(Uint8Array.from({ length: SIZE }, (_, at) => (at * 7) % 251))
  .digest('hex');

test('an upload goes on after a reload in its middle, and sends no byte twice', async () => {
  const { page, conversation, offsets, partWaits, release, digests } = await startUpload();
  await partWaits();
  await expect
    .poll(async () => (await pendingOf(page))?.upload)
    .toEqual({
      state: 'uploading',
      sentBytes: FIRST_PART,
      totalBytes: SIZE,
      survivesReload: true,
    });
  await page.reload();
  await shows(page, conversation, ['sending: file']);
  // The part waits, so this is its state until it is released.
  await expect.poll(async () => (await pendingOf(page))?.upload?.sentBytes).toBe(FIRST_PART);
  const preview = await page.evaluate(async () => {
    const { url = '' } = chat.client.messages.outbox()[0]?.attachments?.[0] ?? {};
    return (await (await fetch(url)).arrayBuffer()).byteLength;
  });
  expect(preview).toBe(SIZE);
  await partWaits();
  await release();
  await shows(page, conversation, ['sent: file']);
  await expect.poll(() => offsets().slice(0, 2)).toEqual([0, FIRST_PART]);
  const sent = offsets();
  expect(sent).toEqual([...new Set(sent)].toSorted((a, b) => a - b));
  expect(await digests()).toEqual([DIGEST]);
  // Nothing is left on the device.
  await expect.poll(() => keptFiles(page)).toBe(0);
});

/** Aborts transactions that put a file, as Chromium does if the quota is exceeded. There is space for the messages. */
function fullForFiles(): void {
  const put: (this: IDBObjectStore, value: unknown, key?: IDBValidKey) => IDBRequest<IDBValidKey> = Reflect.get(
    IDBObjectStore.prototype,
    'put',
  );
  IDBObjectStore.prototype.put = function putIfSmall(value: unknown, key) {
    const request = put.call(this, value, key);
    if (!(value instanceof Blob)) return request;
    const error = new DOMException('Encountered full disk', 'QuotaExceededError');
    Object.defineProperty(this.transaction, 'error', { value: error });
    this.transaction.addEventListener('abort', () => (document.documentElement.dataset['refused'] = 'yes'));
    this.transaction.abort();
    return request;
  };
}

test('if IndexedDB has no space for a file, its bytes stay in memory, the message says so, and the upload completes', async () => {
  const upload = await startUpload({ before: fullForFiles });
  const { page, conversation, partWaits, release, digests } = upload;
  await partWaits();
  await page.waitForFunction(() => document.documentElement.dataset['refused'] === 'yes');
  expect((await pendingOf(page))?.upload).toEqual({
    state: 'uploading',
    sentBytes: FIRST_PART,
    totalBytes: SIZE,
    survivesReload: false,
  });
  expect(await keptFiles(page)).toBe(0);
  await release();
  await shows(page, conversation, ['sent: file']);
  expect(await digests()).toEqual([DIGEST]);
  // The messages themselves are stored.
  expect(await page.evaluate(() => chat.errors)).toEqual([]);
});

test('another tab goes on with the upload of a tab that has crashed', async () => {
  const { page, open, conversation, offsets, partWaits, release, digests } = await startUpload();
  await partWaits();
  await expect.poll(async () => (await pendingOf(page))?.upload?.survivesReload).toBe(true);
  const other = await open();
  await shows(other, conversation, ['sending: file']);
  await crash(page);
  await partWaits();
  await release();
  await shows(other, conversation, ['sent: file']);
  await expect.poll(() => offsets().slice(0, 2)).toEqual([0, FIRST_PART]);
  expect(await digests()).toEqual([DIGEST]);
});

test('pictures and sounds are described, and pictures have a thumbnail', async () => {
  const directory = await temporaryDirectory();
  onTestFinished(() => directory[Symbol.asyncDispose]());
  const testBed = await startTestBed({ files: directory.path });
  const page = await testBed.open(await testBed.device(), { address: 'user=alice' });
  await connected(page);
  const sent = await page.evaluate(async () => {
    const canvas = new OffscreenCanvas(800, 600);
    const context = canvas.getContext('2d');
    if (context === null) throw new Error('no context');
    context.fillStyle = 'teal';
    context.fillRect(0, 0, 800, 300);
    const picture = await canvas.convertToBlob({ type: 'image/png' });
    // One second of silence, and one of a square wave, in 8 bits.
    const samples = Uint8Array.from({ length: 16_000 }, (_, at) => (at < 8_000 ? 128 : at % 16 < 8 ? 28 : 228));
    const header = new DataView(new ArrayBuffer(44));
    const text = (at: number, word: string): void => {
      for (const [n, code] of new TextEncoder().encode(word).entries()) header.setUint8(at + n, code);
    };
    text(0, 'RIFF');
    header.setUint32(4, 36 + samples.length, true);
    text(8, 'WAVEfmt ');
    header.setUint32(16, 16, true);
    header.setUint16(20, 1, true);
    header.setUint16(22, 1, true);
    header.setUint32(24, 8_000, true);
    header.setUint32(28, 8_000, true);
    header.setUint16(32, 1, true);
    header.setUint16(34, 8, true);
    text(36, 'data');
    header.setUint32(40, samples.length, true);
    const sound = new Blob([header, samples], { type: 'audio/wav' });
    const conversationId = await chat.create(['bob'], 'media');
    const { attachments = [] } = await chat.client.messages.send({
      conversationId,
      content: '',
      attachments: [picture, sound],
    });
    const url = await chat.client.files.url({ url: attachments[0]?.thumbnailUrl ?? '' });
    const thumbnail = await createImageBitmap(await (await fetch(url)).blob());
    return { attachments, thumbnail: [thumbnail.width, thumbnail.height] };
  });
  const [picture, sound] = sent.attachments;
  expect(picture).toMatchObject({ mimeType: 'image/png', width: 800, height: 600 });
  expect(picture?.placeholder).toMatch(/^[\w+/]{20,34}={0,2}$/);
  expect(sent.thumbnail).toEqual([320, 240]);
  expect(sound?.duration).toBeCloseTo(2, 1);
  expect(sound?.waveform).toHaveLength(64);
  // Resampling moves the edge a little.
  expect(Math.max(...(sound?.waveform?.slice(0, 30) ?? []))).toBeLessThan(10);
  expect(Math.min(...(sound?.waveform?.slice(34) ?? []))).toBeGreaterThan(80);
});
