import { openAsBlob } from 'node:fs';
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { BlobStorage } from './comm-storage.ts';

/** Stores blobs as files of a directory, which is created with the first one. @param directory - absolute path */
export function fileBlobs(directory: string): BlobStorage {
  const pathOf = (id: string): string => {
    if (!/^[0-9a-f-]{36}$/.test(id)) throw new TypeError('id must be a UUID');
    return join(directory, id);
  };
  return {
    async put(id, blob) {
      const path = pathOf(id);
      await mkdir(directory, { recursive: true, mode: 0o700 });
      // Renamed when it is complete: a process that ends in between leaves no file that is cut off.
      const file = await open(`${path}.part`, 'w', 0o600);
      try {
        for await (const chunk of blob.stream()) await file.writeFile(chunk);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(`${path}.part`, path);
    },
    async get(id) {
      try {
        return await openAsBlob(pathOf(id));
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw error;
      }
    },
    async ids() {
      try {
        return (await readdir(directory)).map((name) => name.replace(/\.part$/, ''));
      } catch (error) {
        if (isMissing(error)) return [];
        throw error;
      }
    },
    async delete(id) {
      await rm(pathOf(id), { force: true });
      await rm(`${pathOf(id)}.part`, { force: true });
    },
  };
}

function isMissing(error: unknown): boolean {
  // `openAsBlob` reports a missing file as an argument that is not valid.
  return (
    error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ERR_INVALID_ARG_VALUE')
  );
}
