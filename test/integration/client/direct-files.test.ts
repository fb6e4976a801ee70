import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { fileStorage } from '../../../src/storage/file-storage.ts';
import { App } from '../../helpers/client/app.ts';
import { bytesOf, digestOf, eager, MIB, startFiles } from '../../helpers/client/file-world.ts';
import { patientClock } from '../../helpers/client/patient-clock.ts';
import { manualClock } from '../../helpers/manual-clock.ts';
import { startS3Rig, type S3Rig } from '../../helpers/server/s3-server.ts';
import { temporaryDirectory } from '../../helpers/temporary-directory.ts';

const PART = 8 * MIB;
/** Three parts; a block that repeats, because random bytes take long to make. */
const LARGE = new Blob(Array.from({ length: 20 }, () => bytesOf(MIB)));

async function startBucket(): Promise<S3Rig> {
  const rig = await startS3Rig();
  onTestFinished(() => rig[Symbol.asyncDispose]());
  return rig;
}

/** Starts a server that waits for the bucket as long as a slow machine takes. */
const startClients = (...[files, options]: Parameters<typeof startFiles>): ReturnType<typeof startFiles> =>
  startFiles(files, options, {}, { clock: patientClock({ speed: 0.05 }) });

interface Sent {
  readonly method: string;
  readonly to: 'server' | number;
  readonly bytes: number;
}

/** Records the requests with bytes, and the parts that were sent to the bucket by their numbers. */
function recording(rig: S3Rig): { fetch: typeof fetch; sent: Sent[] } {
  const sent: Sent[] = [];
  return {
    sent,
    async fetch(url, init = {}) {
      const to = new URL(url as string);
      const isBucket = to.origin === rig.server.bucket.endpoint;
      const bytes = init.body instanceof Blob ? init.body.size : 0;
      const part = Number(to.searchParams.get('partNumber'));
      sent.push({ method: init.method ?? 'GET', to: isBucket ? part : 'server', bytes });
      return await fetch(url, init);
    },
  };
}

const methods = (sent: readonly Sent[]): string[] => sent.map(({ method, to }) => `${method} ${to}`);

test('a file is sent to the bucket, each part once, and only the server is asked for the rest', async () => {
  const rig = await startBucket();
  const line = recording(rig);
  const { alice, bob, conversationId } = await startClients({ backend: rig.openDirect() }, { fetch: line.fetch });
  const progress: number[] = [];
  const attachment = await alice.client.files.upload(LARGE, {
    conversationId,
    onProgress: (done) => progress.push(done),
  });
  expect(methods(line.sent)).toEqual(['PUT 1', 'PUT 2', 'PUT 3', 'GET server']);
  expect(line.sent.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(LARGE.size);
  expect(progress).toEqual([PART, 2 * PART, LARGE.size, LARGE.size]);
  const { id } = await alice.client.messages.send({ conversationId, content: '', attachments: [attachment] });
  const { attachment: received } = await bob.next('message:new', (message) => message.id === id);
  expect(await digestOf(await bob.client.files.download(received ?? attachment))).toBe(await digestOf(LARGE));
  expect(await rig.server.uploads()).toEqual([]);
});

test('after a killed connection only the part that was cut is sent again, and after a lost answer none', async () => {
  const rig = await startBucket();
  const line = recording(rig);
  const { alice, conversationId } = await startClients(
    { backend: rig.openDirect() },
    { fetch: line.fetch, random: eager },
  );
  const answers: ('close' | 'lose')[] = ['lose', 'close'];
  rig.server.intercept = ({ method, url = '' }) =>
    method === 'PUT' && url.includes('partNumber=2') ? answers.pop() : undefined;
  const attachment = await alice.client.files.upload(LARGE, { conversationId });
  expect(methods(line.sent)).toEqual(['PUT 1', 'PUT 2', 'GET server', 'PUT 2', 'GET server', 'PUT 3', 'GET server']);
  expect(await digestOf(await alice.client.files.download(attachment))).toBe(await digestOf(LARGE));
});

test('a message whose client has ended continues with the parts that are not stored', async () => {
  const rig = await startBucket();
  await using directory = await temporaryDirectory();
  const path = `${directory.path}/client.sqlite`;
  const options = { random: eager, storage: fileStorage(path) };
  const { alice, bob, server, conversationId } = await startClients({ backend: rig.openDirect() }, options);
  // The second part never arrives.
  let arrived = (): void => undefined;
  const waiting = new Promise<void>((resolve) => (arrived = resolve));
  rig.server.intercept = ({ method, url = '' }) => {
    if (method !== 'PUT' || !url.includes('partNumber=2')) return undefined;
    arrived();
    return 'hang';
  };
  const sending = alice.client.messages.send({ conversationId, content: 'caption', attachments: [LARGE] });
  sending.catch(() => undefined);
  await waiting;
  await expect.poll(() => alice.client.messages.outbox()[0]?.upload?.survivesReload).toBe(true);
  await alice[Symbol.asyncDispose]();
  // URLs are credentials, and expire: they are not stored.
  const stored = readdirSync(directory.path, { recursive: true, withFileTypes: true }).filter((each) => each.isFile());
  const contents = stored.map((each) => readFileSync(join(each.parentPath, each.name)));
  expect(contents.filter((content) => content.includes('X-Amz-Signature'))).toEqual([]);
  expect(contents.some((content) => content.includes('isDirect'))).toBe(true);

  rig.server.intercept = () => undefined;
  const line = recording(rig);
  await using next = new App(server.url, {
    ...options,
    storage: fileStorage(path),
    userId: 'alice',
    fetch: line.fetch,
  });
  await next.client.connect();
  const { attachment } = await bob.next('message:new', ({ content }) => content === 'caption');
  expect(methods(line.sent)).toEqual(['GET server', 'PUT 2', 'PUT 3', 'GET server']);
  const loaded = await bob.client.files.download(attachment ?? { url: '', fileName: '', fileSize: 0, mimeType: '' });
  expect(await digestOf(loaded)).toBe(await digestOf(LARGE));
});

test('URLs that have expired are renewed', async () => {
  const rig = await startBucket();
  const line = recording(rig);
  const clock = manualClock(Date.now() - 2 * 3_600_000);
  const backend = rig.openDirect(clock);
  const { alice, conversationId } = await startClients({ backend }, { fetch: line.fetch, random: eager });
  let refused = 0;
  rig.server.intercept = ({ method, url = '' }) => {
    // From the second URL on they are valid. The first requests check the storage.
    if (method === 'PUT' && !url.includes('/probe-') && url.includes('partNumber=1') && (refused += 1) === 1)
      clock.sleep(2 * 3_600_000);
    return undefined;
  };
  const attachment = await alice.client.files.upload(new Blob(['hello']), { conversationId });
  expect(methods(line.sent)).toEqual(['PUT 1', 'GET server', 'PUT 1', 'GET server']);
  expect(await (await alice.client.files.download(attachment)).text()).toBe('hello');
});

test('a client that is not let into the bucket sends this file and the next ones to the server', async () => {
  const rig = await startBucket();
  const line = recording(rig);
  let attempts = 0;
  const { alice, conversationId } = await startClients(
    { backend: rig.openDirect() },
    {
      random: eager,
      async fetch(url, init) {
        // As a browser does without CORS headers of the bucket.
        if (new URL(url as string).origin === rig.server.bucket.endpoint) {
          attempts += 1;
          throw new TypeError('Failed to fetch');
        }
        return await line.fetch(url, init);
      },
    },
  );
  const attachment = await alice.client.files.upload(new Blob(['hello']), { conversationId });
  expect(methods(line.sent)).toContain('PATCH server');
  expect(await (await alice.client.files.download(attachment)).text()).toBe('hello');
  expect(attempts).toBeGreaterThan(0);
  attempts = 0;
  const next = await alice.client.files.upload(new Blob(['hello again']), { conversationId });
  expect(attempts).toBe(0);
  expect(await (await alice.client.files.download(next)).text()).toBe('hello again');
});

test('a bucket that has taken parts is used again after an outage', async () => {
  const rig = await startBucket();
  const line = recording(rig);
  let isDown = false;
  const { alice, conversationId } = await startClients(
    { backend: rig.openDirect() },
    {
      random: eager,
      async fetch(url, init) {
        const isBucket = new URL(url as string).origin === rig.server.bucket.endpoint;
        if (isBucket && isDown) throw new TypeError('Failed to fetch');
        if (isBucket) isDown = true;
        return await line.fetch(url, init);
      },
    },
  );
  const attachment = await alice.client.files.upload(LARGE, { conversationId });
  expect(methods(line.sent)).toEqual(expect.arrayContaining(['PUT 1', 'PATCH server']));
  expect(await digestOf(await alice.client.files.download(attachment))).toBe(await digestOf(LARGE));
  isDown = false;
  line.sent.length = 0;
  await alice.client.files.upload(new Blob(['hello']), { conversationId });
  expect(methods(line.sent)).toEqual(['PUT 1', 'GET server']);
});

test('a rejection of the server reaches the app, and the file is not sent another way', async () => {
  const rig = await startBucket();
  const line = recording(rig);
  const { alice, conversationId } = await startClients({ backend: rig.openDirect() }, { fetch: line.fetch });
  const lie = new Blob(['<html>'], { type: 'image/png' });
  await expect(alice.client.files.upload(lie, { conversationId })).rejects.toMatchObject({
    code: 'MIME_TYPE_NOT_ALLOWED',
  });
  expect(methods(line.sent)).toEqual(['PUT 1', 'GET server']);
  expect([await rig.server.keys(), await rig.server.uploads()]).toEqual([[], []]);
});

test('an aborted upload rejects with the reason and is aborted in the bucket', async () => {
  const rig = await startBucket();
  const { alice, conversationId } = await startClients({ backend: rig.openDirect() });
  const controller = new AbortController();
  const reason = new Error('not wanted');
  const uploading = alice.client.files.upload(LARGE, {
    conversationId,
    signal: controller.signal,
    onProgress: () => controller.abort(reason),
  });
  await expect(uploading).rejects.toBe(reason);
  await expect.poll(() => rig.server.uploads()).toEqual([]);
});

test('a storage that keeps nothing is given up, and the file is sent to the server', async () => {
  const rig = await startBucket();
  const line = recording(rig);
  const { alice, conversationId } = await startClients(
    { backend: rig.openDirect() },
    {
      random: eager,
      async fetch(url, init) {
        if (new URL(url as string).origin === rig.server.bucket.endpoint) return new Response('');
        return await line.fetch(url, init);
      },
    },
  );
  const attachment = await alice.client.files.upload(new Blob(['hello']), { conversationId });
  expect(methods(line.sent)).toContain('PATCH server');
  expect(await (await alice.client.files.download(attachment)).text()).toBe('hello');
});
