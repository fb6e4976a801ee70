import { errorFields } from '../../../lib/logger.ts';
import { KeyedQueue } from '../../../lib/keyed-queue.ts';
import { CommError } from '../../../protocol/errors.ts';
import type { RequestUpload, SignedFiles, UploadParts, UploadReady } from '../../../protocol/files.ts';
import { mimeTypeAllowed } from '../../config.ts';
import type { ServerHooks } from '../../hooks.ts';
import {
  fileSecret,
  findFile,
  forgetFile,
  insertFile,
  markCancelled,
  markRejected,
  markStored,
  openUploads,
  readableFile,
  takeExpired,
  type FileRow,
} from '../../store/queries/files.ts';
import { membershipOf } from '../../store/queries/members.ts';
import type { Work } from '../../store/engine/work.ts';
import { conflict, notFound } from '../errors.ts';
import { requireUnfrozen } from '../chat/posting-rules.ts';
import type { SharedLimits } from '../../cluster/ephemera.ts';
import { keyedBuckets, type KeyedLimit } from '../limits/rate-limit.ts';
import type { RateLimit } from '../limits/server-limits.ts';
import type { Refusals } from '../limits/refusals.ts';
import type { Caller } from '../ports.ts';
import { isoNow, type ServiceDeps } from '../service-deps.ts';
import { checkFile, startOf } from './check-file.ts';
import { DirectOffers } from './direct-offers.ts';
import type { ByteRange, FileBackend } from './file-backend.ts';
import type { FilesConfig } from './files-config.ts';
import { filePath, uploadPath } from './file-paths.ts';
import { receiveBytes } from './receive-bytes.ts';
import { signGrant, verifyGrant } from './signed-url.ts';
import { askStorage, reasonOf } from './storage-failures.ts';
import { digestOfKey, isKeyOf, newUploadKey } from './upload-key.ts';

/** Dependencies of {@link FileService}. */
export interface FileServiceDeps extends Pick<ServiceDeps, 'store' | 'clock' | 'config' | 'limits' | 'logger'> {
  /** Returns where files are stored; `undefined` if the app stores none. Read with each use, because it is set later. */
  readonly files: () => FilesConfig | undefined;
  readonly hooks: Readonly<ServerHooks>;
  readonly newId: () => string;
  /** Logs failures that a user can repeat. */
  readonly refusals: Refusals;
  /** Shares the limits with other processes, if there are any. */
  readonly sharedLimits?: SharedLimits | undefined;
}

/** State of an upload. */
export interface UploadState {
  /** Number of bytes stored so far. */
  readonly offset: number;
  readonly size: number;
  /** Value for `MessageAttachment.url` once `offset` is `size`. */
  readonly url: string;
  readonly expiresAt: string | null;
  /** Whether the bytes were checked, so that a message can refer to the file. */
  readonly isStored: boolean;
}

/** What a request for an upload is charged by. */
export interface UploadDescription {
  readonly userId: string;
  /** Bytes of the whole file. */
  readonly size: number;
  /** Whether the storage may have to be asked which parts it has. */
  readonly isDirect: boolean;
}

/** A file to be sent to a reader. */
export interface ReadableFile {
  readonly fileName: string;
  readonly mimeType: string;
  /** Bytes. */
  readonly size: number;
  read(range: ByteRange): AsyncIterable<Uint8Array>;
}

/** Uploads of one user that are not completed. */
const MAX_OPEN_UPLOADS = 100;
const UPLOAD_TTL_MS = 86_400_000;
const DAY_S = 86_400;
/** Signed URLs are valid for one to two periods. Within a period, the URL of a file stays the same for the browser's cache. */
const SIGNATURE_PERIOD_S = 300;
const SWEEP_INTERVAL_MS = 600_000;
const SWEEP_BATCH = 100;
/** Time in ms after which a user with too many uploads may begin another. */
const BUSY_RETRY_MS = 60_000;

/**
 * Uploads and downloads. A file belongs to its uploader until a message refers to it, and then to the members of the
 * conversation of the message.
 */
export class FileService {
  readonly #deps: FileServiceDeps;
  /** Requests that write, one at a time per file. */
  readonly #writes = new KeyedQueue<string>();
  /** Bodies that are being received, by file. */
  readonly #receiving = new Map<string, AbortController>();
  readonly #bytesPerDay: KeyedLimit;
  readonly #offers: DirectOffers;
  #cancelSweep: (() => void) | undefined;
  #closed = false;

  constructor(deps: FileServiceDeps) {
    this.#deps = deps;
    this.#offers = new DirectOffers({ ...deps, writes: this.#writes });
    const perDay = (): RateLimit => {
      const burst = this.#files().bytesPerUserAndDay;
      return { burst, perSecond: burst / DAY_S };
    };
    this.#bytesPerDay = keyedBuckets('fileBytes', perDay, deps.clock, deps.sharedLimits);
  }

  /** Whether the app stores files. */
  get enabled(): boolean {
    return this.#deps.files() !== undefined;
  }

  /**
   * Begins an upload for a conversation.
   *
   * @throws CommError `UNSUPPORTED` if the app stores no files, `NOT_FOUND` if the caller isn't a member,
   *   `FILE_TOO_LARGE`, `MIME_TYPE_NOT_ALLOWED`, `RATE_LIMITED`
   */
  async requestUpload({ userId, caps }: Caller, request: RequestUpload): Promise<UploadReady> {
    const { store, clock, config, newId } = this.#deps;
    const { conversationId, mimeType, size, fileName } = request;
    this.#files();
    const { maxFileSize, allowedMimeTypes } = config.fileUpload;
    if (size > maxFileSize) throw new CommError('FILE_TOO_LARGE', `size must be at most ${maxFileSize}`);
    if (!mimeTypeAllowed(mimeType, allowedMimeTypes)) {
      throw new CommError('MIME_TYPE_NOT_ALLOWED', 'mimeType is not an allowed type');
    }
    const id = newId();
    const key = newUploadKey();
    const expiresAt = new Date(clock.now() + UPLOAD_TTL_MS).toISOString();
    const row: FileRow = {
      id,
      conversation_id: conversationId,
      uploader_id: userId,
      file_name: fileName,
      mime_type: mimeType,
      size,
      key_digest: digestOfKey(key),
      state: 'uploading',
      created_at: isoNow(clock),
      expires_at: expiresAt,
    };
    // Only an upload that is begun is charged, and a transaction has no effects outside of the database.
    await store.read(() => checkUploader(conversationId, userId));
    this.#bytesPerDay.take(userId, size);
    await store.write(function* (): Work<void> {
      yield* checkUploader(conversationId, userId);
      yield* insertFile(row);
    });
    this.#scheduleSweep();
    return {
      fileId: id,
      uploadUrl: uploadPath(config.restPath, id, key),
      key: filePath(config.restPath, row),
      expiresAt,
      ...(caps.has('uploads') && (await this.#protocolOf(row))),
    };
  }

  /** Returns who has begun an upload, and its size. @throws CommError `NOT_FOUND` as {@link FileService.uploadState} */
  async describeUpload(id: string, key: string): Promise<UploadDescription> {
    const { uploader_id: userId, size, state } = await this.#upload(id, key);
    return { userId, size, isDirect: state !== 'stored' && this.#files().backend.direct !== undefined };
  }

  /**
   * Returns the state of an upload. Ends a request that still sends bytes for it: its connection is probably lost.
   *
   * @throws CommError `NOT_FOUND` for an unknown, expired or rejected upload and for a wrong key
   */
  async uploadState(id: string, key: string): Promise<UploadState> {
    return await this.#exclusive(id, key, async (row) => await this.#current(row));
  }

  /**
   * Appends bytes to an upload; after the last one the file is checked and stored.
   *
   * @param offset - number of bytes that the client assumes to be stored; `undefined` replaces all bytes
   * @throws CommError `CONFLICT` if `offset` is not the number of stored bytes, `NOT_FOUND`, `FILE_TOO_LARGE`,
   *   `MIME_TYPE_NOT_ALLOWED`, `UNAVAILABLE` if the disk is full or the body is cut off, `RATE_LIMITED` if the bytes that
   *   are replaced exceed the user's budget, and errors of the hook `beforeUpload`
   */
  async receive(
    id: string,
    key: string,
    offset: number | undefined,
    body: () => AsyncIterable<Uint8Array>,
  ): Promise<UploadState> {
    return await this.#exclusive(id, key, async (row, signal) => {
      const current = await this.#current(row);
      // Bytes that were checked are never replaced.
      if (current.isStored) {
        if (offset === undefined || offset === row.size) return current;
        throw conflict('The upload is complete');
      }
      if (offset !== undefined && offset !== current.offset) {
        throw conflict('Upload-Offset is not the number of stored bytes');
      }
      const start = offset ?? 0;
      // The announced bytes are charged once, so those that are sent again are charged here.
      if (current.offset > start) this.#bytesPerDay.take(row.uploader_id, current.offset - start);
      const { clock, limits } = this.#deps;
      const chunks = receiveBytes(body(), { max: row.size - start, idleMs: limits.readTimeoutMs, signal, clock });
      await this.#inStorage((backend) => backend.write(id, start, chunks));
      const received = await this.#inStorage((backend) => backend.size(id));
      return received === row.size ? await this.#store(row) : this.#stateOf(row, received);
    });
  }

  /**
   * Returns which parts of an upload the client sends to the storage itself. Stores the file if there are none left.
   *
   * @throws CommError `UNSUPPORTED` if the upload is continued by {@link FileService.receive}, `NOT_FOUND`,
   *   `MIME_TYPE_NOT_ALLOWED`, `UNAVAILABLE`, and errors of the hook `beforeUpload`
   */
  async partsToSend(id: string, key: string): Promise<UploadParts> {
    return await this.#exclusive(id, key, async (row) => {
      const isStored = row.state === 'stored';
      const parts = isStored ? undefined : await this.#inStorage(async ({ direct }) => await direct?.parts(id));
      if (parts !== undefined && parts.missing.length > 0) return parts;
      // The client takes an answer without missing parts as the end of the upload.
      if (!(await this.#current(row)).isStored) {
        throw parts === undefined
          ? new CommError('UNSUPPORTED', 'This upload is sent to the server')
          : new CommError('UNAVAILABLE', 'The parts of the upload have changed');
      }
      const { size } = row;
      return { partBytes: Math.max(1, size), storedBytes: size, missing: [], expiresAt: isoNow(this.#deps.clock) };
    });
  }

  /** Gives an upload up and deletes its bytes. @throws CommError `NOT_FOUND`, `CONFLICT` if a message refers to the file */
  async cancelUpload(id: string, key: string): Promise<void> {
    await this.#exclusive(id, key, async (row) => {
      if (!(await this.#deps.store.write(() => markCancelled(row.id)))) throw conflict('A message refers to the file');
      await this.#delete(id);
    });
  }

  /**
   * Returns short-lived URLs. Files that the caller may not read, and unknown ones, are omitted.
   *
   * @throws CommError `UNSUPPORTED` if the app stores no files
   */
  async sign({ userId }: Caller, fileIds: readonly string[]): Promise<SignedFiles> {
    this.#files();
    const { store, clock, config } = this.#deps;
    const expires = (Math.floor(clock.now() / 1_000 / SIGNATURE_PERIOD_S) + 2) * SIGNATURE_PERIOD_S;
    const files = await store.read(function* (): Work<SignedFiles['files']> {
      const secret = yield* fileSecret();
      const signed: SignedFiles['files'] = [];
      for (const fileId of new Set(fileIds)) {
        const row = yield* readableFile(fileId, userId);
        if (row === undefined) continue;
        const url = `${filePath(config.restPath, row)}?${signGrant({ fileId, userId, expires }, secret)}`;
        signed.push({ fileId, url });
      }
      return signed;
    });
    return { files, expiresAt: new Date(expires * 1_000).toISOString() };
  }

  /** Returns the user whom the query parameters of a signed URL identify. @throws CommError `UNAUTHENTICATED` */
  async signer(fileId: string, query: Readonly<Record<string, string | undefined>>): Promise<string> {
    const { store, clock } = this.#deps;
    const userId = verifyGrant(fileId, query, await store.read(fileSecret), clock.now());
    if (userId !== undefined) return userId;
    throw new CommError('UNAUTHENTICATED', 'The signature of the URL is not valid or has expired');
  }

  /** Returns a file for a reader. @throws CommError `NOT_FOUND`, also if the user may not read the file */
  async open(userId: string, fileId: string): Promise<ReadableFile> {
    const backend = this.#deps.files()?.backend;
    const row = await this.#deps.store.read(() => readableFile(fileId, userId));
    if (row === undefined || backend === undefined) throw notFound();
    const { file_name: fileName, mime_type: mimeType, size } = row;
    return { fileName, mimeType, size, read: (range) => this.#read(backend, fileId, range) };
  }

  /** Deletes what has expired, and what messages don't refer to anymore. */
  async sweep(): Promise<void> {
    const { store, clock, logger } = this.#deps;
    for (;;) {
      const expired = await store.write(() => takeExpired(isoNow(clock), SWEEP_BATCH));
      let hasFailed = false;
      for (const fileId of expired) {
        // A request that still sends bytes must not hold up the sweep.
        this.#receiving.get(fileId)?.abort();
        await this.#writes
          .run(fileId, () => this.#delete(fileId))
          .catch((error: unknown) => {
            hasFailed = true;
            logger.warn('failed to delete an expired file', { fileId, ...errorFields(error) });
          });
      }
      // Files that failed would be taken again at once.
      if (hasFailed || expired.length < SWEEP_BATCH || this.#closed) return;
    }
  }

  /** Starts to sweep at intervals, while this process is the leader. Idempotent. */
  start(): void {
    if (this.enabled) this.#scheduleSweep(0);
  }

  /** Stops sweeping and ends the requests that send bytes. */
  close(): void {
    this.#closed = true;
    this.#cancelSweep?.();
    for (const receiving of this.#receiving.values()) receiving.abort();
  }

  #files(): FilesConfig {
    const files = this.#deps.files();
    if (files === undefined) throw new CommError('UNSUPPORTED', 'This server does not support uploads');
    return files;
  }

  /** Returns how the client can send the bytes, besides PUT. */
  async #protocolOf({ id, size }: FileRow): Promise<Pick<UploadReady, 'protocol' | 'parts'>> {
    const parts = await this.#offers.offer(this.#files().backend, id, size);
    return parts === undefined ? { protocol: 'tus' } : { protocol: 's3', parts };
  }

  /** Runs `task` after the other requests of the upload, whose bodies it ends, have completed. */
  async #exclusive<T>(id: string, key: string, task: (row: FileRow, signal: AbortSignal) => Promise<T>): Promise<T> {
    // Only the holder of the key may end another request.
    await this.#upload(id, key);
    this.#receiving.get(id)?.abort();
    const receiving = new AbortController();
    this.#receiving.set(id, receiving);
    try {
      return await this.#writes.run(id, async () => await task(await this.#upload(id, key), receiving.signal));
    } finally {
      if (this.#receiving.get(id) === receiving) this.#receiving.delete(id);
    }
  }

  async #upload(id: string, key: string): Promise<FileRow> {
    const { store, clock } = this.#deps;
    const row = await store.read(() => findFile(id));
    const valid = row !== undefined && row.state !== 'removing' && isKeyOf(row.key_digest, key);
    if (!valid || !this.enabled || (row.expires_at !== null && row.expires_at < isoNow(clock))) throw notFound();
    return row;
  }

  /** Returns the state of an upload. Completes one whose last request ended between its bytes and its row. */
  async #current(row: FileRow): Promise<UploadState> {
    if (row.state === 'stored') return this.#stateOf(row, row.size);
    const received = await this.#inStorage((backend) => backend.size(row.id));
    return received === row.size && received > 0 ? await this.#store(row) : this.#stateOf(row, received);
  }

  #stateOf(row: FileRow, offset: number): UploadState {
    const { config } = this.#deps;
    const { size, expires_at: expiresAt } = row;
    return { offset, size, url: filePath(config.restPath, row), expiresAt, isStored: row.state === 'stored' };
  }

  /** Checks the received bytes, stores the file and returns its state. A file that is rejected is deleted. */
  async #store(row: FileRow): Promise<UploadState> {
    const { id } = row;
    const { store, clock } = this.#deps;
    const { backend, unattachedTtlMs } = this.#files();
    // If the storage fails for the moment, the upload is kept: its next request tries this again.
    await this.#inStorage(() => backend.complete(id));
    const head = await this.#inStorage(() => startOf(backend, id, row.size));
    try {
      await checkFile(row, head, backend, this.#deps);
    } catch (error) {
      // Another process may have stored the file, and a message may refer to it.
      if (await store.write(() => markRejected(id))) await this.#delete(id);
      throw error;
    }
    const expiresAt = new Date(clock.now() + unattachedTtlMs).toISOString();
    await store.write(() => markStored(id, expiresAt));
    return this.#stateOf({ ...row, state: 'stored', expires_at: expiresAt }, row.size);
  }

  /** The status of the response is sent before its bytes are read, so a failure only reaches the log and the connection. */
  async *#read(backend: FileBackend, fileId: string, range: ByteRange): AsyncGenerator<Uint8Array> {
    try {
      yield* backend.read(fileId, range);
    } catch (error) {
      this.#deps.refusals.warn('failed to read a file', 'INTERNAL', `${fileId} ${reasonOf(error)}`);
      throw error;
    }
  }

  /** The row is deleted last, so that a sweep finds bytes that could not be deleted. */
  async #delete(id: string): Promise<void> {
    await this.#inStorage((backend) => backend.delete(id));
    await this.#deps.store.write(() => forgetFile(id));
  }

  /** @throws CommError `UNAVAILABLE` if the storage is full or can't be reached */
  async #inStorage<T>(task: (backend: FileBackend) => Promise<T>): Promise<T> {
    return await askStorage(() => task(this.#files().backend), this.#deps.refusals);
  }

  async #sweepAsLeader(): Promise<void> {
    if (await this.#deps.store.lead()) await this.sweep();
  }

  #scheduleSweep(delayMs = SWEEP_INTERVAL_MS): void {
    if (this.#closed || this.#cancelSweep !== undefined) return;
    const { clock, logger } = this.#deps;
    const run = async (): Promise<void> => {
      await this.#sweepAsLeader().catch((error: unknown) =>
        logger.warn('failed to delete expired files', errorFields(error)),
      );
      this.#cancelSweep = undefined;
      this.#scheduleSweep();
    };
    this.#cancelSweep = clock.after(delayMs, () => void run(), true);
  }
}

/** @throws CommError `NOT_FOUND` if the user isn't a member, `FORBIDDEN` in a frozen conversation, `RATE_LIMITED` with too many uploads in progress */
function* checkUploader(conversationId: string, userId: string): Work<void> {
  const member = yield* membershipOf(conversationId, userId);
  if (member === undefined) throw notFound();
  requireUnfrozen(member);
  if ((yield* openUploads(userId)) < MAX_OPEN_UPLOADS) return;
  throw new CommError('RATE_LIMITED', `a user may have at most ${MAX_OPEN_UPLOADS} uploads in progress`, {
    retryAfterMs: BUSY_RETRY_MS,
  });
}
