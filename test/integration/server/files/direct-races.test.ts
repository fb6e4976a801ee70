import { readdir } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { deferred } from '../../../../src/lib/deferred.ts';
import { silentLogger } from '../../../../src/lib/logger.ts';
import type { FileBackend } from '../../../../src/server/index.ts';
import { manualClock } from '../../../helpers/manual-clock.ts';
import {
  abortInBucket,
  codeOf,
  digestOf,
  HELLO,
  LARGE,
  PART,
  partsIn,
  startDirect,
} from '../../../helpers/server/direct-uploads.ts';
import { startFileServer } from '../../../helpers/server/files.ts';
import { startS3Rig, type S3Rig } from '../../../helpers/server/s3-server.ts';

/** Runs a task before the listing of parts that follows `listings` others. */
function beforeListing(rig: S3Rig, listings: number, task: () => Promise<unknown>): void {
  let before = listings;
  rig.server.intercept = ({ method, url = '' }) => {
    if (method !== 'GET' || !url.includes('part-number-marker=0') || before-- > 0) return undefined;
    rig.server.intercept = () => undefined;
    return task;
  };
}

test('a part that arrives while the server takes over does not move the bytes of the request', async () => {
  await using direct = await startDirect();
  const { files, rig } = direct;
  const ready = await direct.begin(LARGE);
  await direct.put(ready.parts, 1, LARGE);
  // The first listing is for the offset, the second for the take-over.
  beforeListing(rig, 1, async () => direct.put(ready.parts, 2, Buffer.alloc(LARGE.length, 7)));
  const sent = await files.tus(ready.uploadUrl, 'PATCH', PART, LARGE.subarray(PART));
  expect([sent.status, sent.headers.get('upload-offset')]).toEqual([204, String(LARGE.length)]);
  const loaded = await files.load(ready.key, 'ann');
  expect(digestOf(new Uint8Array(await loaded.arrayBuffer()))).toBe(digestOf(LARGE));
});

test('an upload that is aborted while the server takes over stores no bytes of the request', async () => {
  await using direct = await startDirect();
  const { files, rig } = direct;
  const ready = await direct.begin(LARGE);
  await direct.put(ready.parts, 1, LARGE);
  beforeListing(rig, 1, () => abortInBucket(rig, ready.parts));
  expect(await codeOf(await files.tus(ready.uploadUrl, 'PATCH', PART, LARGE.subarray(PART)))).toEqual([
    503,
    'UNAVAILABLE',
  ]);
  expect((await files.tus(ready.uploadUrl, 'HEAD')).headers.get('upload-offset')).toBe('0');
  expect((await files.tus(ready.uploadUrl, 'PATCH', 0, LARGE)).status).toBe(204);
  const loaded = await files.load(ready.key, 'ann');
  expect(digestOf(new Uint8Array(await loaded.arrayBuffer()))).toBe(digestOf(LARGE));
});

test('an upload without missing parts is stored, also if its last part arrives while the server looks', async () => {
  await using direct = await startDirect();
  const { files, rig } = direct;
  const ready = await direct.begin(HELLO);
  // Whether a second listing is made is up to the server.
  beforeListing(rig, 1, async () => direct.put(ready.parts, 1, HELLO));
  const { missing } = await partsIn(await direct.ask(ready));
  expect((await files.load(ready.key, 'ann')).status).toBe(missing.length === 0 ? 200 : 404);
  await direct.put(ready.parts, 1, HELLO);
  expect(await partsIn(await direct.ask(ready))).toMatchObject({ missing: [] });
  expect(await (await files.load(ready.key, 'ann')).text()).toBe('hello, file');
});

test('an upload whose parts are lost before it is stored is UNAVAILABLE, and begins again', async () => {
  await using direct = await startDirect();
  const { rig } = direct;
  const ready = await direct.begin(HELLO);
  await direct.put(ready.parts, 1, HELLO);
  beforeListing(rig, 1, () => abortInBucket(rig, ready.parts));
  expect(await codeOf(await direct.ask(ready))).toEqual([503, 'UNAVAILABLE']);
  const again = await partsIn(await direct.ask(ready));
  expect(again.missing.map(({ number }) => number)).toEqual([1]);
  await direct.put(again, 1, HELLO);
  expect(await partsIn(await direct.ask(ready))).toMatchObject({ missing: [] });
});

test('an upload that is aborted after the server has taken over begins again', async () => {
  await using direct = await startDirect();
  const { files, rig } = direct;
  const ready = await direct.begin(LARGE);
  await direct.put(ready.parts, 1, LARGE);
  expect((await files.tus(ready.uploadUrl, 'PATCH', PART, LARGE.subarray(PART, PART + 1))).status).toBe(204);
  await abortInBucket(rig, ready.parts);
  const rest = await files.tus(ready.uploadUrl, 'PATCH', PART + 1, LARGE.subarray(PART + 1));
  expect(await codeOf(rest)).toEqual([503, 'UNAVAILABLE']);
  expect((await files.tus(ready.uploadUrl, 'HEAD')).headers.get('upload-offset')).toBe('0');
  expect((await files.tus(ready.uploadUrl, 'PATCH', 0, LARGE)).status).toBe(204);
  const loaded = await files.load(ready.key, 'ann');
  expect(digestOf(new Uint8Array(await loaded.arrayBuffer()))).toBe(digestOf(LARGE));
});

test('an upload of which a part is replaced after the server has taken over begins again', async () => {
  await using direct = await startDirect();
  const { files, rig } = direct;
  const ready = await direct.begin(LARGE);
  await direct.put(ready.parts, 1, LARGE);
  expect((await files.tus(ready.uploadUrl, 'PATCH', PART, LARGE.subarray(PART, PART + 1))).status).toBe(204);
  // s3rver does not compare ETags.
  rig.server.intercept = ({ method }) => (method === 'POST' ? 'invalid-part' : undefined);
  const rest = await files.tus(ready.uploadUrl, 'PATCH', PART + 1, LARGE.subarray(PART + 1));
  expect(await codeOf(rest)).toEqual([503, 'UNAVAILABLE']);
  rig.server.intercept = () => undefined;
  expect((await files.tus(ready.uploadUrl, 'HEAD')).headers.get('upload-offset')).toBe('0');
  expect((await files.tus(ready.uploadUrl, 'PATCH', 0, LARGE)).status).toBe(204);
  const loaded = await files.load(ready.key, 'ann');
  expect(digestOf(new Uint8Array(await loaded.arrayBuffer()))).toBe(digestOf(LARGE));
  expect([await rig.server.uploads(), await readdir(rig.partsDirectory)]).toEqual([[], []]);
});

test.each([
  ['the check of the storage', 'PUT', false],
  ['an upload', 'POST', true],
])(
  'a bucket that hangs at %s delays it for three seconds, and then the server takes the bytes',
  async (_, at, later) => {
    const clock = manualClock();
    await using direct = await startDirect({ clock });
    const { files, rig } = direct;
    if (later) await direct.begin(HELLO);
    const reached = deferred<undefined>();
    rig.server.intercept = ({ method }) => {
      if (method !== at) return undefined;
      reached.resolve(undefined);
      return 'hang';
    };
    const begun = files.begin({ size: HELLO.length });
    await reached.promise;
    rig.server.intercept = () => undefined;
    clock.advance(3_000);
    const ready = await begun;
    expect(ready).toMatchObject({ protocol: 'tus' });
    expect(ready).not.toHaveProperty('parts');
    expect((await files.tus(ready.uploadUrl, 'PATCH', 0, HELLO)).status).toBe(204);
    expect(await (await files.load(ready.key, 'ann')).text()).toBe('hello, file');
  },
);

test('bytes that the server receives are kept if the storage begins the upload after the deadline', async () => {
  const clock = manualClock();
  await using rig = await startS3Rig();
  const inner = rig.openDirect();
  const [reached, opened] = [deferred<undefined>(), deferred<undefined>()];
  const backend: FileBackend = {
    size: (key) => inner.size(key),
    write: (key, offset, chunks) => inner.write(key, offset, chunks),
    complete: (key) => inner.complete(key),
    read: (key, range) => inner.read(key, range),
    delete: (key) => inner.delete(key),
    direct: {
      parts: async () => undefined,
      async begin(key, size) {
        reached.resolve(undefined);
        await opened.promise;
        return (await inner.direct?.begin(key, size)) ?? Promise.reject(new Error('the storage has no direct uploads'));
      },
    },
  };
  await using files = await startFileServer({ clock, files: { backend } });
  const begun = files.begin({ size: HELLO.length });
  await reached.promise;
  clock.advance(3_000);
  const ready = await begun;
  expect(ready).toMatchObject({ protocol: 'tus' });
  const sent = files.tus(ready.uploadUrl, 'PATCH', 0, HELLO);
  opened.resolve(undefined);
  expect((await sent).status).toBe(204);
  expect(await (await files.load(ready.key, 'ann')).text()).toBe('hello, file');
  expect([await rig.server.uploads(), await readdir(rig.partsDirectory)]).toEqual([[], []]);
});

test('an upload that the storage refuses to begin goes through the server, and the log says why', async () => {
  const warnings: unknown[] = [];
  const logger = { ...silentLogger, warn: (...line: unknown[]) => warnings.push(line) };
  await using direct = await startDirect({ logger });
  await direct.begin(HELLO);
  direct.rig.server.intercept = ({ method }) => (method === 'POST' ? 'forbidden' : undefined);
  expect(await direct.files.begin({ size: HELLO.length })).toMatchObject({ protocol: 'tus' });
  expect(warnings).toContainEqual([
    'an upload to the storage was not begun',
    expect.objectContaining({ reason: 'AccessDenied' }),
  ]);
});
