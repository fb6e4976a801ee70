import { constants, createReadStream } from 'node:fs';
import { mkdir, open, rm, stat, type FileHandle } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { ByteRange, FileBackend } from './file-backend.ts';

/** Files can contain private data, so other users of the machine can't read them. */
const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;
/** Network file systems and FUSE answer these if they can't sync a directory, and EACCES means that it may not be listed. */
const UNSUPPORTED_SYNC: ReadonlySet<unknown> = new Set(['EINVAL', 'ENOTSUP', 'EPERM', 'EISDIR', 'EACCES']);
const READ_CHUNK_BYTES = 256 * 1_024;
/** Memory of received chunks that wait for the disk. */
const MAX_WAITING_BYTES = 1_024 * 1_024;
/** Memory of a chunk besides its bytes: the objects of a `Buffer`. A client can send chunks of one byte. */
const CHUNK_OVERHEAD_BYTES = 1_024;

/** Keeps files in a directory, which is created with the first file. Several processes may share it. */
export class LocalDirectory implements FileBackend {
  readonly #directory: string;
  readonly #open: typeof open;
  /** Subdirectories whose own entries are on the disk. */
  readonly #syncedEntries = new Set<string>();

  /**
   * @param directory - path, relative to the working directory of the process or absolute
   * @param openFile - opens files that are written, and directories
   */
  constructor(directory: string, openFile = open) {
    this.#directory = resolve(directory);
    this.#open = openFile;
  }

  async size(key: string): Promise<number> {
    try {
      return (await stat(this.pathOf(key))).size;
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return 0;
      throw error;
    }
  }

  async write(key: string, offset: number, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const path = this.pathOf(key);
    await mkdir(dirname(path), { recursive: true, mode: DIRECTORY_MODE });
    const file = await this.#open(path, constants.O_CREAT | constants.O_WRONLY, FILE_MODE);
    try {
      if (offset < (await file.stat()).size) await file.truncate(offset);
      const writer = new BatchWriter(file, offset);
      try {
        for await (const chunk of chunks) await writer.write(chunk);
      } finally {
        // What was received before a failure is kept.
        await writer.flush();
      }
    } finally {
      await file.close();
    }
  }

  async complete(key: string): Promise<void> {
    const path = this.pathOf(key);
    await this.#sync(path, 'r+');
    // The entry of a new file is part of its directory.
    await this.#syncDirectory(dirname(path));
    if (this.#syncedEntries.has(dirname(path))) return;
    await this.#syncDirectory(this.#directory);
    this.#syncedEntries.add(dirname(path));
  }

  /** A generator, so that the file is opened only when it is read. */
  async *read(key: string, { start, end }: ByteRange): AsyncGenerator<Uint8Array> {
    yield* createReadStream(this.pathOf(key), { start, end, highWaterMark: READ_CHUNK_BYTES });
  }

  async delete(key: string): Promise<void> {
    await rm(this.pathOf(key), { force: true });
  }

  /**
   * Returns the path of a file. Directories with many thousands of entries are slow to list, so files are spread over 256.
   *
   * @throws TypeError for a key with other characters
   */
  pathOf(key: string): string {
    if (!/^[a-z0-9-]+$/.test(key)) throw new TypeError('key must consist of lower-case letters, digits and hyphens');
    return join(this.#directory, key.slice(0, 2), key);
  }

  /** Does nothing if the file system can't sync a directory. */
  async #syncDirectory(path: string): Promise<void> {
    // Windows can't open one.
    if (process.platform === 'win32') return;
    try {
      await this.#sync(path, 'r');
    } catch (error) {
      if (!UNSUPPORTED_SYNC.has(codeOf(error))) throw error;
    }
  }

  async #sync(path: string, flags: string): Promise<void> {
    const file = await this.#open(path, flags);
    try {
      await file.datasync();
    } finally {
      await file.close();
    }
  }
}

/**
 * Appends chunks to a file. While a write is under way, further chunks are collected and then written together. The memory of
 * written chunks is released.
 */
class BatchWriter {
  readonly #file: FileHandle;
  #position: number;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #writing: Promise<void> | undefined;
  #failed = false;

  constructor(file: FileHandle, position: number) {
    this.#file = file;
    this.#position = position;
  }

  /** Resolves when there is space for the next chunk. @throws the error of an earlier chunk, if it is known */
  async write(chunk: Uint8Array): Promise<void> {
    // Otherwise the rest of a body would be received for nothing, until the maximum waits.
    if (this.#failed) return await this.flush();
    this.#waiting.push(chunk);
    this.#waitingBytes += chunk.byteLength + CHUNK_OVERHEAD_BYTES;
    if (this.#writing === undefined) {
      this.#writing = this.#writeAll();
      // Reported by the next call.
      this.#writing.catch(() => void (this.#failed = true));
    }
    if (this.#waitingBytes >= MAX_WAITING_BYTES) await this.#writing;
  }

  /** Resolves when all chunks are written. @throws the error of one */
  async flush(): Promise<void> {
    await this.#writing;
  }

  /** `#writing` stays rejected after an error, so that nothing is written behind a gap. */
  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      this.#waitingBytes = 0;
      for (let rest = batch; rest.length > 0;) {
        const { bytesWritten } = await this.#file.writev(rest, this.#position);
        this.#position += bytesWritten;
        rest = after(rest, bytesWritten);
      }
      for (const chunk of batch) release(chunk);
    }
    this.#writing = undefined;
  }
}

/** Returns chunks without their first bytes. */
function after(chunks: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let skip = bytes;
  return chunks.flatMap((chunk) => {
    const rest = chunk.subarray(skip);
    skip = Math.max(0, skip - chunk.byteLength);
    return rest.byteLength === 0 ? [] : [rest];
  });
}

/**
 * Frees the memory of a chunk. Node's HTTP parser allocates a buffer for each, and V8 would collect the garbage of the whole heap
 * after every 32 MiB of them, which takes more time than to write them. Chunks of Fetch API requests are no `Buffer`: a clone
 * of the request may share them.
 */
function release(chunk: Uint8Array): void {
  const { buffer, byteLength } = chunk;
  if (!Buffer.isBuffer(chunk) || buffer.byteLength !== byteLength || !(buffer instanceof ArrayBuffer)) return;
  buffer.transfer(0);
}

/** Returns the code of a system error, such as `ENOENT`. */
function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
