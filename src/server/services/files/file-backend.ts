import type { UploadParts } from '../../../protocol/files.ts';

/** A range of bytes; both ends are included. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** Thrown by a {@link FileBackend} that can't be reached for the moment. The request can be repeated. */
export class StorageUnavailable extends Error {
  override readonly name = 'StorageUnavailable';
}

/** Thrown by {@link DirectUploads.begin} if the storage would allow clients more than to store their own files. */
export class DirectUploadsUnsafe extends Error {
  override readonly name = 'DirectUploadsUnsafe';
}

/**
 * Port of the place where the bytes of files are kept. Keys are chosen by the server and consist of lower-case letters,
 * digits and hyphens. At most one call per key writes or deletes at a time in this process.
 */
export interface FileBackend {
  /** Returns the number of bytes that are stored under a key; 0 if there are none. A later write starts there. */
  size(key: string): Promise<number>;
  /**
   * Stores bytes from `offset`, which is {@link FileBackend.size}, or 0 to replace what was stored. If the source fails, what
   * it had delivered is kept as far as possible, and the returned promise rejects with the failure. What is stored when the
   * promise settles must survive that the process is killed; what must survive a loss of power is up to `complete`.
   *
   * @param chunks - they belong to the backend, which may release the memory of each `Buffer`
   */
  write(key: string, offset: number, chunks: AsyncIterable<Uint8Array>): Promise<void>;
  /** Makes all bytes survive a loss of power. Called once all bytes are written, and before the first `read`. Idempotent. */
  complete(key: string): Promise<void>;
  /** Returns the bytes of a range. The iterable is consumed at most once; ending it early releases what it holds. */
  read(key: string, range: ByteRange): AsyncIterable<Uint8Array>;
  /** Deletes all bytes of a key. Idempotent. */
  delete(key: string): Promise<void>;
  /** Present if clients may send bytes to the storage itself. `size` and `complete` then include the parts they have sent. */
  readonly direct?: DirectUploads | undefined;
}

/** Uploads that clients send to the storage itself, without passing the server. */
export interface DirectUploads {
  /**
   * Begins an upload under a key without bytes. If it rejects, the bytes are sent to the server.
   *
   * @param size - bytes of the file, at least 1
   * @param signal - aborts when the client can't wait any longer
   */
  begin(key: string, size: number, signal?: AbortSignal): Promise<UploadParts>;
  /**
   * Returns the state of an upload, with new URLs.
   *
   * @returns `undefined` if it was not begun here, is complete, or is continued by {@link FileBackend.write}
   */
  parts(key: string): Promise<UploadParts | undefined>;
}
