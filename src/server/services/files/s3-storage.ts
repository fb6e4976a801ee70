import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { abortable } from '../../../lib/abort.ts';
import { systemClock, type Clock } from '../../../lib/clock.ts';
import { Semaphore } from '../../../lib/semaphore.ts';
import type { UploadParts } from '../../../protocol/files.ts';
import { LIMITS } from '../../../protocol/limits.ts';
import {
  type ByteRange,
  type DirectUploads,
  DirectUploadsUnsafe,
  type FileBackend,
  StorageUnavailable,
} from './file-backend.ts';
import { LocalDirectory } from './local-directory.ts';
import { errorCodeOf, S3Client, S3Error, type S3Bucket } from './s3-client.ts';
import { beginMultipart, listParts, type S3Part } from './s3-parts.ts';
import { probeDirectUploads } from './s3-probe.ts';

/** Options of {@link s3Storage}. */
export interface S3StorageOptions extends S3Bucket {
  /**
   * Directory for the last bytes of uploads that are not complete: S3 takes parts of some MiB only. Up to 16 MiB for each
   * upload, or a part of a direct one, which is larger for files above 140 GiB. If it is lost, these uploads start again.
   */
  partsDirectory: string;
  /**
   * Whether clients of this library send the bytes of files to the bucket themselves. The bucket must allow PUT from the origins
   * of the app (CORS). @defaultValue false
   */
  direct?: boolean | undefined;
}

/** A multipart upload. `bytes` is the size of its stored parts, whose ETags are in order. */
interface Multipart {
  readonly uploadId: string;
  readonly etags: readonly string[];
  readonly bytes: number;
  /** Bytes of each part but the last. @defaultValue {@link PART_BYTES} */
  readonly partBytes?: number;
  /** Bytes of the file if a client sends the parts. The storage then knows `etags` and `bytes`. */
  readonly directSize?: number;
}
type DirectMultipart = Multipart & { readonly partBytes: number; readonly directSize: number };

const MIB = 1_024 * 1_024;
/** 10,000 parts, the maximum of S3, make 156 GiB. All parts but the last have this size, as some storages require. */
const PART_BYTES = 16 * MIB;
/** A client sends a part again if its connection is cut. */
const DIRECT_PART_BYTES = 8 * MIB;
const MAX_DIRECT_PARTS = 9_000;
const URL_TTL_S = 3_600;
/** Parts that are in memory at the same time. */
const MAX_PARTS_IN_MEMORY = 4;
const DIRECTORY_MODE = 0o700;
const FILE_MODE = 0o600;

/**
 * Keeps files in a bucket of an S3-compatible storage. What has been received is collected in a local directory, and
 * sent as parts of a multipart upload; a small file is sent at once when it is complete.
 *
 * @throws TypeError for invalid options
 */
export function s3Storage(options: S3StorageOptions): FileBackend {
  return new S3Storage(options);
}

/** Implements {@link s3Storage}. */
export class S3Storage implements FileBackend {
  readonly direct: DirectUploads | undefined;
  readonly #client: S3Client;
  readonly #clock: Clock;
  readonly #parts: string;
  /** Settles once it is known whether URLs may be signed. */
  #probed: Promise<void> | undefined;
  readonly #senders = new Semaphore(MAX_PARTS_IN_MEMORY);

  /** @param clock - decides when presigned URLs expire */
  constructor({ partsDirectory, direct = false, ...bucket }: S3StorageOptions, clock: Clock = systemClock) {
    if (partsDirectory === '') throw new TypeError('partsDirectory must be a directory');
    this.#client = new S3Client(bucket);
    this.#clock = clock;
    this.#parts = resolve(partsDirectory);
    if (!direct) return;
    this.direct = {
      begin: async (key, size, signal) => {
        await abortable(this.#probe(), signal);
        const begun = await this.#beginDirect(key, size, signal);
        return await this.#uploadParts(key, begun, new Map());
      },
      parts: async (key) => await this.#partsToSend(key),
    };
  }

  async size(key: string): Promise<number> {
    if (!(await this.#isOpen(key))) return (await this.#storedSize(key)) ?? 0;
    return await this.#sizeOf(key, await this.#multipart(key));
  }

  async write(key: string, offset: number, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    if (offset === 0) await this.#discard(key);
    else await this.#takeOver(key, offset);
    const tail = this.#tail(key);
    const source = new SplitSource(chunks);
    try {
      let multipart = await this.#multipart(key);
      for (;;) {
        const stored = await tail.size(tailKey(multipart));
        const left = (multipart?.partBytes ?? PART_BYTES) - stored;
        await tail.write(tailKey(multipart), stored, source.take(left));
        if (await source.ended()) return;
        multipart = await this.#sendTail(key, multipart);
      }
    } finally {
      await source.close();
    }
  }

  async complete(key: string): Promise<void> {
    if (!(await this.#isOpen(key))) {
      if ((await this.#storedSize(key)) === undefined) throw new Error('no bytes are stored under the key');
      return;
    }
    const multipart = await this.#multipart(key);
    if (multipart === undefined) await this.#send(key, undefined, {});
    // Unless a process has completed it that ended before it could delete the directory.
    else if ((await this.#storedSize(key)) !== (await this.#sizeOf(key, multipart))) {
      await this.#completeMultipart(key, await this.#sendTail(key, multipart));
    }
    await rm(this.#directory(key), { recursive: true, force: true });
  }

  async *read(key: string, { start, end }: ByteRange): AsyncGenerator<Uint8Array> {
    const headers = { range: `bytes=${start}-${end}` };
    const { status, body } = await this.#client.send({ method: 'GET', key, headers });
    if (status === 206 && body !== null) return yield* body;
    await body?.cancel();
    throw new S3Error(status, 'InvalidRange');
  }

  async delete(key: string): Promise<void> {
    await this.#discard(key);
    await this.#client.text({ method: 'DELETE', key });
  }

  /** Whether the bytes of a key are not yet an object. */
  async #isOpen(key: string): Promise<boolean> {
    return (await orUndefined(stat(this.#directory(key)), isMissing)) !== undefined;
  }

  /** Returns the bytes of an upload that is not complete. */
  async #sizeOf(key: string, multipart: Multipart | undefined): Promise<number> {
    return (multipart?.bytes ?? 0) + (await this.#tail(key).size(tailKey(multipart)));
  }

  /** Returns the size of the object; `undefined` if there is none. */
  async #storedSize(key: string): Promise<number | undefined> {
    const response = await orUndefined(this.#client.send({ method: 'HEAD', key }), isNotFound);
    return response && Number(response.headers.get('content-length'));
  }

  /** Forgets the bytes of an upload that is not complete. */
  async #discard(key: string): Promise<void> {
    if (!(await this.#isOpen(key))) return;
    const state = await this.#state(key);
    if (state !== undefined) {
      const { uploadId } = state;
      // The upload may be gone. A lifecycle rule of the bucket deletes what this request does not.
      const isRefused = (error: unknown): boolean => error instanceof S3Error;
      await orUndefined(this.#client.text({ method: 'DELETE', key, query: { uploadId } }), isRefused);
    }
    await rm(this.#directory(key), { recursive: true, force: true });
  }

  /** Sends the collected bytes as a part. The state is replaced afterwards, so a crash repeats the part. */
  async #sendTail(key: string, before: Multipart | undefined): Promise<Multipart> {
    const begun = before ?? (await this.#begin(key));
    const { uploadId, etags, bytes } = begun;
    if ((await this.#tail(key).size(tailKey(before))) === 0) return begun;
    const sent = await this.#send(key, before, { uploadId, partNumber: String(etags.length + 1) });
    const multipart = { ...begun, etags: [...etags, sent.etag], bytes: bytes + sent.bytes };
    await this.#save(key, multipart);
    await this.#tail(key).delete(tailKey(before));
    return multipart;
  }

  async #begin(
    key: string,
    more?: Pick<DirectMultipart, 'partBytes' | 'directSize'>,
    signal?: AbortSignal,
  ): Promise<Multipart> {
    const uploadId = await beginMultipart(this.#client, key, signal);
    const multipart = { uploadId, etags: [], bytes: 0, ...more };
    await this.#save(key, multipart);
    return multipart;
  }

  /** Checks the storage before the first URL is signed. Repeated if that fails for the moment. */
  async #probe(): Promise<void> {
    this.#probed ??= probeDirectUploads(this.#client).catch((error: unknown) => {
      if (!(error instanceof DirectUploadsUnsafe)) this.#probed = undefined;
      throw error;
    });
    await this.#probed;
  }

  async #beginDirect(key: string, size: number, signal?: AbortSignal): Promise<DirectMultipart> {
    const fewest = Math.ceil(size / MAX_DIRECT_PARTS / MIB) * MIB;
    const terms = { partBytes: Math.max(DIRECT_PART_BYTES, fewest), directSize: size };
    return { ...(await this.#begin(key, terms, signal)), ...terms };
  }

  async #partsToSend(key: string): Promise<UploadParts | undefined> {
    const state = await this.#state(key);
    if (!isDirect(state)) return undefined;
    const isUnsafe = (error: unknown): boolean => error instanceof DirectUploadsUnsafe;
    const probed = await orUndefined(
      this.#probe().then(() => true),
      isUnsafe,
    );
    if (probed === undefined) return undefined;
    const parts = await this.#listParts(key, state);
    if (parts !== undefined) return await this.#uploadParts(key, state, parts);
    if ((await this.#storedSize(key)) !== undefined) return undefined;
    // A lifecycle rule of the bucket has aborted it.
    return await this.#uploadParts(key, await this.#beginDirect(key, state.directSize), new Map());
  }

  /** Returns the stored parts that have the right size; `undefined` if the upload is complete or was aborted. */
  async #listParts(key: string, state: DirectMultipart): Promise<ReadonlyMap<number, S3Part> | undefined> {
    const found = await orUndefined(listParts(this.#client, key, state.uploadId), isNotFound);
    return found && new Map([...found].filter(([number, { size }]) => size === sizeOfPart(number, state)));
  }

  async #uploadParts(key: string, state: DirectMultipart, stored: ReadonlyMap<number, S3Part>): Promise<UploadParts> {
    const { uploadId, partBytes, directSize } = state;
    const nowMs = this.#clock.now();
    const numbers = Array.from({ length: Math.ceil(directSize / partBytes) }, (_, at) => at + 1);
    const missing = numbers.filter((number) => !stored.has(number)).slice(0, LIMITS.uploadParts);
    const signed: UploadParts['missing'] = [];
    // One after another: the first one derives the key for all.
    for (const number of missing) {
      const part = { key, query: { uploadId, partNumber: String(number) } };
      const terms = { bytes: sizeOfPart(number, state), nowMs, expiresInS: URL_TTL_S };
      signed.push({ number, url: await this.#client.presignPut(part, terms) });
    }
    return {
      partBytes,
      storedBytes: [...stored.values()].reduce((sum, { size }) => sum + size, 0),
      expiresAt: new Date(nowMs + URL_TTL_S * 1_000).toISOString(),
      missing: signed,
    };
  }

  /**
   * From now on the server sends the parts, after the first `offset` bytes. A part that has arrived since the caller was told
   * this offset is not kept, because the bytes of the caller take its place.
   *
   * @throws StorageUnavailable if fewer bytes are stored, for example because the upload was aborted
   */
  async #takeOver(key: string, offset: number): Promise<void> {
    const state = await this.#state(key);
    if (!isDirect(state)) return;
    const { uploadId, partBytes } = state;
    const etags = (await this.#multipart(key))?.etags.slice(0, Math.floor(offset / partBytes)) ?? [];
    if (etags.length * partBytes !== offset) throw new StorageUnavailable('Parts of the upload are not stored anymore');
    await this.#save(key, { uploadId, etags, bytes: offset, partBytes });
  }

  /** Sends the collected bytes as an object or, with a query, as a part. */
  async #send(
    key: string,
    multipart: Multipart | undefined,
    query: Record<string, string>,
  ): Promise<{ bytes: number; etag: string }> {
    return await this.#senders.run(async () => {
      const body = await readFile(this.#tail(key).pathOf(tailKey(multipart)));
      const sending = this.#client.send({ method: 'PUT', key, query, body });
      const response = await sending.catch((error: unknown) => this.#restart(key, error));
      await response.body?.cancel();
      const etag = response.headers.get('etag');
      // Without it no multipart upload can be completed.
      if (etag === null) throw new S3Error(response.status, 'NoETag');
      return { bytes: body.byteLength, etag };
    });
  }

  /**
   * Forgets the stored bytes if a lifecycle rule of the bucket has aborted the upload, so that the client begins again.
   *
   * @throws StorageUnavailable then, and otherwise the given error
   */
  async #restart(key: string, error: unknown): Promise<never> {
    if (!(error instanceof S3Error) || error.code !== 'NoSuchUpload') throw error;
    // An upload that clients send parts of begins again when they ask for the missing parts.
    if (!isDirect(await this.#state(key))) await this.#discard(key);
    throw new StorageUnavailable('The upload was aborted', { cause: error });
  }

  async #completeMultipart(key: string, { uploadId, etags }: Multipart): Promise<void> {
    const parts = etags.map((etag, index) => `<Part><PartNumber>${index + 1}</PartNumber><ETag>${etag}</ETag></Part>`);
    const body = `<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`;
    const completing = this.#client.text({ method: 'POST', key, query: { uploadId }, body });
    const refusal = await completing.then(
      (xml) => {
        const code = errorCodeOf(xml);
        return code === undefined ? undefined : new S3Error(200, code);
      },
      (error: unknown) => {
        if (error instanceof S3Error) return error;
        throw error;
      },
    );
    if (refusal === undefined) return;
    // An earlier attempt has completed it, and its answer was lost.
    if (isNotFound(refusal) && (await this.#storedSize(key)) !== undefined) return;
    if (refusal.code !== 'InvalidPart') return await this.#restart(key, refusal);
    // The client has sent a part again in the meantime. The next listing has its ETag, unless the server has taken over:
    // it would send the old one until the upload expires.
    if (!isDirect(await this.#state(key))) await this.#discard(key);
    throw new StorageUnavailable('A part was replaced', { cause: refusal });
  }

  async #multipart(key: string): Promise<Multipart | undefined> {
    const state = await this.#state(key);
    if (!isDirect(state)) return state;
    const parts = await this.#listParts(key, state);
    // A process has completed it that ended before it could delete the directory.
    if (parts === undefined) return { ...state, bytes: (await this.#storedSize(key)) ?? 0 };
    const etags: string[] = [];
    let bytes = 0;
    for (let part = parts.get(1); part !== undefined; part = parts.get(etags.length + 1)) {
      etags.push(part.etag);
      bytes += part.size;
    }
    return { ...state, etags, bytes };
  }

  async #state(key: string): Promise<Multipart | undefined> {
    const json = await orUndefined(readFile(this.#statePath(key), 'utf8'), isMissing);
    return json === undefined ? undefined : (JSON.parse(json) as Multipart);
  }

  async #save(key: string, multipart: Multipart): Promise<void> {
    const path = this.#statePath(key);
    await mkdir(this.#directory(key), { recursive: true, mode: DIRECTORY_MODE });
    await writeFile(`${path}.new`, JSON.stringify(multipart), { mode: FILE_MODE, flush: true });
    await rename(`${path}.new`, path);
  }

  /** The bytes after the last part. */
  #tail(key: string): LocalDirectory {
    return new LocalDirectory(this.#directory(key));
  }

  #statePath(key: string): string {
    return join(this.#directory(key), 'multipart.json');
  }

  #directory(key: string): string {
    if (!/^[a-z0-9-]+$/.test(key)) throw new TypeError('key must consist of lower-case letters, digits and hyphens');
    return join(this.#parts, key);
  }
}

function isDirect(state: Multipart | undefined): state is DirectMultipart {
  return state?.directSize !== undefined;
}

/** Returns the bytes of a part; 0 for a number that is too high. */
function sizeOfPart(number: number, { partBytes, directSize }: DirectMultipart): number {
  return Math.max(0, Math.min(partBytes, directSize - (number - 1) * partBytes));
}

/** A name for each tail: bytes that were sent before a crash are not part of the next one. */
function tailKey(multipart: Multipart | undefined): string {
  return `tail-${multipart?.etags.length ?? 0}`;
}

/** Divides chunks into runs of a number of bytes. */
class SplitSource {
  readonly #chunks: AsyncIterator<Uint8Array>;
  /** What was read and not taken. */
  #rest: Uint8Array | undefined;
  #isDone = false;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** Yields the next bytes, at most `max`. */
  async *take(max: number): AsyncGenerator<Uint8Array> {
    let left = max;
    while (left > 0 && !(await this.ended())) {
      const chunk = this.#rest ?? new Uint8Array();
      this.#rest = chunk.subarray(left);
      left -= Math.min(left, chunk.byteLength);
      yield chunk.subarray(0, chunk.byteLength - this.#rest.byteLength);
    }
  }

  /** Returns whether all bytes were taken. Waits for the next chunk. */
  async ended(): Promise<boolean> {
    while (!this.#isDone && (this.#rest === undefined || this.#rest.byteLength === 0)) {
      const next = await this.#chunks.next();
      this.#isDone = next.done === true;
      this.#rest = next.done === true ? undefined : next.value;
    }
    return this.#isDone;
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }
}

async function orUndefined<T>(task: Promise<T>, expected: (error: unknown) => boolean): Promise<T | undefined> {
  try {
    return await task;
  } catch (error) {
    if (expected(error)) return undefined;
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

function isNotFound(error: unknown): boolean {
  return error instanceof S3Error && error.status === 404;
}
