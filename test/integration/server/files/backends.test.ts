import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../../../src/lib/seeded-random.ts';
import type { FileBackend } from '../../../../src/server/index.ts';
import { LocalDirectory } from '../../../../src/server/services/files/local-directory.ts';
import { fc } from '../../../helpers/property.ts';
import { startS3Rig } from '../../../helpers/server/s3-server.ts';
import { temporaryDirectory } from '../../../helpers/temporary-directory.ts';

const KEY = '3b241101-e2bb-4255-8caf-4136c566a962';
const MIB = 1_024 * 1_024;

interface Rig extends AsyncDisposable {
  /** Opens the storage, as a process that starts does. */
  open(): FileBackend;
}

async function startDirectory(): Promise<Rig> {
  const { path, [Symbol.asyncDispose]: dispose } = await temporaryDirectory();
  return { open: () => new LocalDirectory(path), [Symbol.asyncDispose]: dispose };
}

const random = seededRandom(5);
const LARGE = Buffer.from(Uint8Array.from({ length: 4_000 }, () => random.between(0, 255)));
/** More than two parts of a multipart upload. */
const HUGE = Buffer.concat(Array.from({ length: 10_000 }, () => LARGE));

/** Each chunk has memory of its own, as those of a request do: the storage may release it. */
async function* chunksOf(bytes: Uint8Array, size = bytes.byteLength || 1): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += size) yield ownBuffer(bytes.subarray(at, at + size));
}

function ownBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(Uint8Array.from(bytes).buffer);
}

/** Delivers some bytes, and fails. */
async function* broken(bytes: Uint8Array, size?: number): AsyncGenerator<Uint8Array> {
  yield* chunksOf(bytes, size);
  throw new Error('the line is cut');
}

async function bytesIn(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const found: Uint8Array[] = [];
  for await (const chunk of chunks) found.push(chunk);
  return Buffer.concat(found);
}

const readAll = (backend: FileBackend, size: number): Promise<Buffer> =>
  bytesIn(backend.read(KEY, { start: 0, end: size - 1 }));

const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describe.each([
  ['a directory', startDirectory],
  ['S3', startS3Rig],
])('%s', (_, start: () => Promise<Rig>) => {
  test('has no bytes of an unknown key, and deletes it', async () => {
    await using rig = await start();
    const backend = rig.open();
    expect(await backend.size(KEY)).toBe(0);
    await backend.delete(KEY);
    await expect(backend.complete(KEY)).rejects.toThrow(Error);
    await expect(readAll(backend, 1)).rejects.toThrow(Error);
  });

  test('stores what is written in any number of steps, over restarts, and reads ranges of it', async () => {
    await using rig = await start();
    const lengths = fc.array(fc.nat({ max: 3_000 }), { maxLength: 6 });
    const scenario = async (cuts: number[], fails: boolean[], from: number, to: number): Promise<void> => {
      let backend = rig.open();
      let size = 0;
      for (const [index, length] of [...cuts, LARGE.length].entries()) {
        const chunks = LARGE.subarray(size, size + length);
        const writing = backend.write(KEY, size, fails[index] === true ? broken(chunks, 700) : chunksOf(chunks, 700));
        await writing.catch(() => undefined);
        const stored = await backend.size(KEY);
        expect(stored).toBe(size + chunks.byteLength);
        size = stored;
        backend = rig.open();
      }
      await backend.complete(KEY);
      await backend.complete(KEY);
      expect(await backend.size(KEY)).toBe(LARGE.length);
      const [start, end] = [Math.min(from, to), Math.max(from, to)];
      expect(await bytesIn(backend.read(KEY, { start, end }))).toEqual(LARGE.subarray(start, end + 1));
      expect(digestOf(await readAll(backend, LARGE.length))).toBe(digestOf(LARGE));
      await backend.delete(KEY);
      expect(await backend.size(KEY)).toBe(0);
    };
    const at = fc.nat({ max: LARGE.length - 1 });
    const failures = fc.array(fc.boolean(), { minLength: 7, maxLength: 7 });
    await fc.assert(fc.asyncProperty(lengths, failures, at, at, scenario), { numRuns: 15 });
  });

  test('stores an empty file', async () => {
    await using rig = await start();
    const backend = rig.open();
    await backend.write(KEY, 0, chunksOf(new Uint8Array()));
    await backend.complete(KEY);
    expect(await backend.size(KEY)).toBe(0);
  });

  test('replaces what was stored by a write at 0', async () => {
    await using rig = await start();
    const backend = rig.open();
    await backend.write(KEY, 0, chunksOf(LARGE));
    await backend.write(KEY, 0, chunksOf(Buffer.from('short')));
    expect(await backend.size(KEY)).toBe(5);
    await backend.complete(KEY);
    expect(String(await readAll(backend, 5))).toBe('short');
  });

  test('forgets an upload that is not complete', async () => {
    await using rig = await start();
    const backend = rig.open();
    await backend.write(KEY, 0, chunksOf(LARGE));
    await backend.delete(KEY);
    await backend.delete(KEY);
    expect(await rig.open().size(KEY)).toBe(0);
  });

  test('ends a read early', async () => {
    await using rig = await start();
    const backend = rig.open();
    await backend.write(KEY, 0, chunksOf(LARGE));
    await backend.complete(KEY);
    for await (const chunk of backend.read(KEY, { start: 10, end: LARGE.length - 1 })) {
      expect(chunk[0]).toBe(LARGE[10]);
      break;
    }
    await backend.delete(KEY);
  });

  test('stores a file of 40 MB, whose upload is cut and continued by another process', async () => {
    await using rig = await start();
    const cut = 25_000_001;
    await rig
      .open()
      .write(KEY, 0, broken(HUGE.subarray(0, cut), 64 * 1_024))
      .catch(() => undefined);
    const backend = rig.open();
    expect(await backend.size(KEY)).toBe(cut);
    await backend.write(KEY, cut, chunksOf(HUGE.subarray(cut), 3 * MIB));
    expect(await backend.size(KEY)).toBe(HUGE.length);
    await backend.complete(KEY);
    expect(digestOf(await readAll(backend, HUGE.length))).toBe(digestOf(HUGE));
  });

  test('takes only keys of lower-case letters, digits and hyphens', async () => {
    await using rig = await start();
    const backend = rig.open();
    for (const key of ['../a', 'a/b', 'A', 'a.b', '']) {
      await expect(backend.write(key, 0, chunksOf(LARGE))).rejects.toThrow(TypeError);
      await expect(backend.size(key)).rejects.toThrow(TypeError);
      await expect(backend.delete(key)).rejects.toThrow(TypeError);
    }
  });
});

test('a directory releases the memory of the buffers it has written, and of nothing that others may use', async () => {
  await using rig = await startDirectory();
  const own = Array.from({ length: 40 }, (_, at) => ownBuffer(Buffer.alloc(65_536, at)));
  const shared = Buffer.alloc(10, 'shared').subarray(0, 6);
  const array = Uint8Array.from([1, 2, 3]);
  const chunks = async function* (): AsyncGenerator<Uint8Array> {
    yield* own;
    yield shared;
    yield array;
  };
  const backend = rig.open();
  await backend.write(KEY, 0, chunks());
  expect(own.filter((chunk) => chunk.byteLength > 0)).toEqual([]);
  expect([String(shared), ...array]).toEqual(['shared', 1, 2, 3]);
  const stored = await readAll(backend, 40 * 65_536 + 9);
  expect(stored.subarray(39 * 65_536, 40 * 65_536)).toEqual(Buffer.alloc(65_536, 39));
  expect(stored.subarray(40 * 65_536)).toEqual(Buffer.from('shared\u0001\u0002\u0003'));
});
