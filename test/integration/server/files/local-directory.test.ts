import { open, readFile, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { expect, test } from 'vitest';
import { LocalDirectory } from '../../../../src/server/services/files/local-directory.ts';
import { temporaryDirectory } from '../../../helpers/temporary-directory.ts';

const KEY = '3b241101-e2bb-4255-8caf-4136c566a962';

/** Returns a function that opens real files, each passed to `change` with its path. */
function openChanged(change: (file: FileHandle, path: string) => void): typeof open {
  return async (path, flags, mode) => {
    const file = await open(path, flags, mode);
    change(file, String(path));
    return file;
  };
}

/** Resolves after all microtasks, so a loop over a source without I/O has ended or waits for I/O. */
async function untilIdle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

test.each([
  [1, 20_000, 1_024],
  [65_536, 100, 16],
])('while the disk is busy, chunks of %i bytes wait up to a maximum', async (bytes, count, max) => {
  await using directory = await temporaryDirectory();
  let taken = 0;
  let written = 0;
  const waiting: number[] = [];
  const slow = openChanged((file) => {
    const writev = file.writev.bind(file);
    file.writev = async (buffers, position) => {
      await untilIdle();
      written += buffers.length;
      waiting.push(taken - written);
      return await writev(buffers, position);
    };
  });
  const chunks = async function* (): AsyncGenerator<Uint8Array> {
    while (taken < count) {
      taken += 1;
      yield Buffer.alloc(bytes, taken % 251);
    }
  };
  const storage = new LocalDirectory(directory.path, slow);
  await storage.write(KEY, 0, chunks());
  const most = Math.max(...waiting);
  expect(most).toBeGreaterThan(max / 2);
  expect(most).toBeLessThanOrEqual(max);
  const stored = await readFile(storage.pathOf(KEY));
  const expected = Array.from({ length: count }, (_, at) => Buffer.alloc(bytes, (at + 1) % 251));
  expect(stored.equals(Buffer.concat(expected))).toBe(true);
});

test('after a failed write no further chunks are taken, and what was written is kept', async () => {
  await using directory = await temporaryDirectory();
  let write: Promise<unknown> = Promise.resolve();
  const full = openChanged((file) => {
    const writev = file.writev.bind(file);
    file.writev = (buffers, position) => {
      const result = position === 2 ? Promise.reject(new Error('the disk is full')) : writev(buffers, position);
      write = result;
      return result;
    };
  });
  let taken = 0;
  let closed = false;
  const chunks = async function* (): AsyncGenerator<Uint8Array> {
    try {
      for (const byte of Buffer.from('123456789')) {
        taken += 1;
        yield Buffer.from([byte]);
        // The next chunk arrives after this one is written.
        await write.catch(() => undefined);
        await untilIdle();
      }
    } finally {
      closed = true;
    }
  };
  const storage = new LocalDirectory(directory.path, full);
  await expect(storage.write(KEY, 0, chunks())).rejects.toThrow('the disk is full');
  expect({ taken, closed, size: await storage.size(KEY) }).toEqual({ taken: 4, closed: true, size: 2 });
});

async function* bytes(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('bytes');
}

test('a complete file is synced with its entry, and once with that of its subdirectory', async () => {
  await using directory = await temporaryDirectory();
  const synced: string[] = [];
  const recorded = openChanged((file, path) => {
    const datasync = file.datasync.bind(file);
    file.datasync = async () => {
      await datasync();
      synced.push(path);
    };
  });
  const storage = new LocalDirectory(directory.path, recorded);
  const [first, second] = [storage.pathOf('3b-1'), storage.pathOf('3b-2')];
  await storage.write('3b-1', 0, bytes());
  await storage.complete('3b-1');
  expect(synced).toEqual([first, dirname(first), directory.path]);
  await storage.write('3b-2', 0, bytes());
  await storage.complete('3b-2');
  expect(synced.slice(3)).toEqual([second, dirname(first)]);
});

/** Fails to sync directories, or files, with a code. */
function failToSync(code: string, what: 'directory' | 'file'): typeof open {
  return openChanged((file) => {
    const datasync = file.datasync.bind(file);
    file.datasync = async () => {
      if ((await file.stat()).isDirectory() === (what === 'directory')) {
        throw Object.assign(new Error(`${code}: fdatasync`), { code });
      }
      await datasync();
    };
  });
}

test.each(['EINVAL', 'ENOTSUP', 'EPERM', 'EISDIR'])(
  'a file is complete if its directory answers %s, and not if the file does',
  async (code) => {
    await using directory = await temporaryDirectory();
    const storage = new LocalDirectory(directory.path, failToSync(code, 'directory'));
    await storage.write(KEY, 0, bytes());
    await storage.complete(KEY);
    const failing = new LocalDirectory(directory.path, failToSync(code, 'file'));
    await expect(failing.complete(KEY)).rejects.toThrow(code);
  },
);

test('a file is not complete while its directory answers EIO', async () => {
  await using directory = await temporaryDirectory();
  const storage = new LocalDirectory(directory.path, failToSync('EIO', 'directory'));
  await storage.write(KEY, 0, bytes());
  await expect(storage.complete(KEY)).rejects.toThrow('EIO');
});
