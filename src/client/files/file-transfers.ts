import { abortable, type AbortOptions } from '../../lib/abort.ts';
import { BoundedMap } from '../../lib/bounded-map.ts';
import { deferred, type Deferred } from '../../lib/deferred.ts';
import { KeyedQueue } from '../../lib/keyed-queue.ts';
import { isRetryable, retry } from '../../lib/retry.ts';
import { isAttachmentUrl } from '../../protocol/attachment-url.ts';
import { CommError, isCommError, type ErrorCode } from '../../protocol/errors.ts';
import type { MessageAttachment } from '../../protocol/messages.ts';
import { fields } from '../../transport/fields.ts';
import { unreadable, type ClientContext } from '../context.ts';
import type { ResolvedOptions } from '../options.ts';
import { requireFields, requireId, requireObject } from '../validation.ts';
import type { FileOpener } from '../cipher.ts';
import type { DownloadOptions, FilesClient, RecordVoiceOptions, UploadOptions, VoiceRecorder } from './files-client.ts';
import { transfer, type TransferContext } from './http-transfer.ts';
import type { DescribedMedia } from './describe-media.ts';
import { giveUp, sendByPut, sendByTus } from './send-file.ts';

/** What the server answers to `file:request-upload`. */
export interface UploadTarget {
  /** Absolute. A credential. */
  readonly uploadUrl: string;
  /** Value for the attachment's `url`. */
  readonly url: string;
  readonly isTus: boolean;
  /** Whether the bytes can be sent to the storage of the server. */
  readonly isDirect?: boolean | undefined;
  /** The parts to send to it. Absent if the upload may have been begun before. */
  readonly parts?: unknown;
}
interface SignedUrl {
  readonly url: string;
  readonly expiresAt: number;
}

/** Failed attempts in a row, while the client is connected, after which a transfer is given up. */
const MAX_FAILURES = 8;
const BACKOFF = { baseMs: 500, maxMs: 15_000 };
/** Time in ms that a browser has to describe a file. */
const DESCRIPTION_TIMEOUT_MS = 10_000;
/** Files in one `file:sign`. */
const MAX_SIGNED = 100;
const CACHED_URLS = 1_000;
/** A URL must be valid for this time when it is returned, in ms. */
const MIN_VALIDITY_MS = 60_000;
/** Received chunks are combined into blobs of this size, which a browser can move to the disk. */
const BLOB_BYTES = 4 * 1_024 * 1_024;
/** Reasons for which a server rejects a file and deletes it, which the app has to know. Others become `UPLOAD_FAILED`. */
const REJECTIONS: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['FILE_TOO_LARGE', 'MIME_TYPE_NOT_ALLOWED', 'FORBIDDEN']);

/** How {@link FileTransfers.send} sends a file. */
export interface SendOptions {
  /** True if an earlier session may have sent a part: the server is asked where to continue. */
  readonly isResumed: boolean;
  readonly mimeType: string;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: (doneBytes: number) => void;
  /** Called before each request with bytes; rejects if no more may be sent. */
  readonly check?: (() => Promise<void>) | undefined;
}

/** Implements {@link FilesClient}. */
export class FileTransfers implements FilesClient {
  readonly #context: ClientContext;
  readonly #transfer: TransferContext;
  readonly #base: URL;
  readonly #filesPath: string;
  /** A base server doesn't say which request it answers, so only one is under way. */
  readonly #baseRequests = new KeyedQueue<'upload'>();
  readonly #signed = new BoundedMap<string, SignedUrl>(CACHED_URLS);
  /** What is known of recorded voice messages. */
  readonly #recorded = new WeakMap<Blob, Pick<MessageAttachment, 'duration' | 'waveform'>>();
  /** Whether the storage has taken no part of a file. Each further attempt would take half a minute again. */
  #isStorageBlocked = false;
  /** Ids for the next `file:sign`. */
  #wanted = new Map<string, Deferred<string>>();

  constructor(context: ClientContext, { url, restPath, fetch: custom }: ResolvedOptions) {
    const { clock } = context;
    this.#context = context;
    this.#transfer = { fetch: custom ?? globalThis.fetch.bind(globalThis), clock };
    this.#base = new URL(url ?? globalThis.location.origin);
    this.#filesPath = `${restPath}/files/`;
  }

  async upload(file: Blob, options: UploadOptions): Promise<MessageAttachment> {
    if (!(file instanceof Blob)) throw new TypeError('files.upload() takes a File or a Blob');
    requireFields('files.upload()', options, ['conversationId', 'fileName', 'encrypt', 'onProgress', 'signal']);
    const described = this.attachmentOf(file);
    const { conversationId, fileName = described.fileName, encrypt, onProgress, signal } = options;
    requireId('conversationId', conversationId);
    requireId('fileName', fileName);
    const cipher = await this.#context.cipher?.();
    if (cipher === undefined && encrypt === true) throw new TypeError('The option `encryption` is not set');
    if (cipher !== undefined && encrypt !== false) {
      const { uploadSealed } = await import('./upload-sealed.ts');
      const named = { ...described, fileName };
      const fileCipher = await cipher.files();
      const upload: FilesClient['upload'] = (...sealed) => this.upload(...sealed);
      return await uploadSealed(file, named, this.describe(file, signal), options, fileCipher, upload);
    }
    const { mimeType, fileSize } = described;
    const description = this.describe(file, signal);
    const target = await this.begin({ conversationId, mimeType, size: fileSize, fileName }, signal);
    const progress = (done: number): void => onProgress?.(done, fileSize);
    try {
      await this.send(file, target, { isResumed: false, mimeType, signal, onProgress: progress });
    } catch (error) {
      const failure = signal?.aborted === true ? error : uploadError(error);
      if (!isRejection(failure)) this.giveUp(target);
      throw failure;
    }
    return { ...(await description).fields, ...described, url: target.url, fileName };
  }

  /**
   * Sends the bytes of an upload. Repeats what fails for the moment.
   *
   * @throws CommError with the code of the last attempt; `NOT_FOUND` if the upload has expired; the reason of the signal
   */
  async send(
    file: Blob,
    target: UploadTarget,
    { isResumed, mimeType, signal, onProgress, check }: SendOptions,
  ): Promise<void> {
    const context = {
      ...this.#transfer,
      persist: async <T>(task: () => Promise<T>, doneBytes: () => number): Promise<T> => {
        const checked = async (): Promise<T> => {
          await check?.();
          return await task();
        };
        return await this.persist(checked, signal, doneBytes);
      },
      signal,
      onProgress,
    };
    const { uploadUrl, isTus, isDirect } = target;
    if (!isTus) return await sendByPut(file, uploadUrl, mimeType, context);
    if (isDirect !== true || this.#isStorageBlocked) return await sendByTus(file, uploadUrl, isResumed, context);
    const { sendDirect } = await import('./send-direct.ts');
    const outcome = await sendDirect(file, uploadUrl, isResumed ? undefined : target.parts, context);
    if (outcome === 'blocked') this.#isStorageBlocked = true;
    if (outcome !== 'sent') await sendByTus(file, uploadUrl, true, context);
  }

  /** Describes a picture, video or sound, until the signal aborts. Never rejects: an upload doesn't depend on it. */
  async describe(file: Blob, signal?: AbortSignal): Promise<DescribedMedia> {
    if (!isDescribable(file.type)) return { fields: {} };
    const timeout = new AbortController();
    let cancel = (): void => undefined;
    try {
      const { describeMedia } = await abortable(import('./describe-media.ts'), signal);
      // From here on: a slow line must not take the time that the browser has.
      cancel = this.#context.clock.after(DESCRIPTION_TIMEOUT_MS, () => timeout.abort());
      // Decoders can't be stopped, and some never answer.
      return await abortable(abortable(describeMedia(file, timeout.signal), timeout.signal), signal);
    } catch {
      // The chunk was not loaded, or the time is up.
      return { fields: {} };
    } finally {
      cancel();
      timeout.abort();
    }
  }

  /** Deletes what was sent. */
  giveUp({ uploadUrl, isTus }: UploadTarget): void {
    if (isTus) giveUp(uploadUrl, this.#transfer);
  }

  async download(attachment: MessageAttachment, options: DownloadOptions = {}): Promise<Blob> {
    requireObject('files.download()', attachment);
    requireFields('files.download()', options, ['onProgress', 'signal']);
    const { signal, onProgress } = options;
    const { keys } = attachment;
    const cipher = await this.#context.cipher?.();
    if (cipher === undefined && keys !== undefined) throw new TypeError('The option `encryption` is not set');
    const fileCipher = keys === undefined ? undefined : await cipher?.files();
    let opener: FileOpener | undefined;
    let parts: Blob[] = [];
    let done = 0;
    let etag: string | undefined;
    let attempt = 0;
    const load = async (): Promise<void> => {
      attempt += 1;
      const current = attempt;
      const url = await this.url({ url: attachment.url }, { signal });
      // Without an ETag the file may have changed in the meantime, and the download starts again.
      const headers = done > 0 && etag !== undefined ? { range: `bytes=${done}-`, 'if-range': etag } : undefined;
      await transfer(this.#transfer, url, { ...(headers && { headers }) }, signal, async (response, restart) => {
        if (response.status !== 206) {
          const opened = keys && (await fileCipher?.open(keys));
          if (current !== attempt) return;
          opener = opened;
          parts = [];
          done = 0;
        }
        etag = response.headers.get('etag') ?? undefined;
        const total = done + Number(response.headers.get('content-length') ?? Number.NaN);
        for await (const blob of blobsOf(response, restart)) {
          // An attempt that has timed out may end after the next one has started.
          if (current !== attempt) return;
          // Counted before it is decrypted: the next attempt continues after what was handed over.
          done += blob.size;
          if (opener === undefined) parts.push(blob);
          else await opener.write(blob);
          onProgress?.(done, Number.isNaN(total) ? attachment.fileSize : total);
        }
      });
    };
    await this.persist(load, signal, () => done);
    return new Blob(opener === undefined ? parts : [await opener.end()], { type: attachment.mimeType });
  }

  async url({ url, keys }: Pick<MessageAttachment, 'url' | 'keys'>, { signal }: AbortOptions = {}): Promise<string> {
    if (keys !== undefined) {
      throw new CommError('UNSUPPORTED', 'The file is encrypted, and has no URL that a page could show', {
        fix: 'Call download(), and URL.createObjectURL() for the result.',
      });
    }
    // The preview of a file that is being sent. Only this page can have made it: no server may send such a URL.
    if (url.startsWith('blob:')) return url;
    if (!isAttachmentUrl(url)) throw new TypeError('attachment.url must be an http(s) or relative URL');
    const resolved = new URL(url, this.#base);
    const { origin, pathname, href } = resolved;
    if (origin !== this.#base.origin || !pathname.startsWith(this.#filesPath)) return href;
    await this.#context.whenConnected(signal);
    const fileId = pathname.slice(this.#filesPath.length).split('/')[0] ?? '';
    if (!this.#context.has('uploads')) return href;
    const known = this.#signed.get(fileId);
    if (known !== undefined && known.expiresAt - this.#context.clock.now() > MIN_VALIDITY_MS) return known.url;
    return await abortable(this.#sign(fileId), signal);
  }

  async recordVoice(options: RecordVoiceOptions = {}): Promise<VoiceRecorder> {
    const { recordVoice } = await import('./record-voice.ts');
    return await recordVoice(this.#context, options, ({ file, duration, waveform }) => {
      this.#recorded.set(file, { duration, waveform: [...waveform] });
    });
  }

  /** Describes a file before it is uploaded. */
  attachmentOf(file: Blob & { readonly name?: string | undefined }): MessageAttachment {
    // Without parameters, such as codecs.
    const mimeType = /^[\w.+-]+\/[\w.+-]+/.exec(file.type)?.[0] ?? 'application/octet-stream';
    return { url: '', mimeType, fileName: file.name || 'file', fileSize: file.size, ...this.#recorded.get(file) };
  }

  /** Asks the server where to send a file. @throws CommError as `upload()` */
  async begin(
    request: { conversationId: string; mimeType: string; size: number; fileName: string },
    signal: AbortSignal | undefined,
  ): Promise<UploadTarget> {
    const { requester, has } = this.#context;
    await this.#context.whenConnected(signal);
    const ask = async (): Promise<unknown> => requester.request('file:request-upload', request, { signal });
    const answer = fields(await (has('ack') ? ask() : this.#baseRequests.run('upload', ask)));
    const [uploadUrl, key] = [answer?.['uploadUrl'], answer?.['key']];
    if (typeof uploadUrl !== 'string' || typeof key !== 'string' || !isAttachmentUrl(uploadUrl)) {
      throw unreadable('answer to file:request-upload');
    }
    const absolute = new URL(uploadUrl, this.#base).href;
    // A storage behind another server is read where it was written, without the parameters that allow writing.
    const url = isAttachmentUrl(key) ? key : (absolute.split('?')[0] ?? absolute);
    const { protocol, parts } = answer ?? {};
    const isDirect = protocol === 's3';
    return { uploadUrl: absolute, url, isTus: isDirect || protocol === 'tus', isDirect, parts };
  }

  /**
   * Repeats a task while it fails for the moment. Waits for the connection of the client in between.
   *
   * @param doneBytes - attempts that make progress don't count as failed
   */
  async persist<T>(task: () => Promise<T>, signal: AbortSignal | undefined, doneBytes: () => number): Promise<T> {
    let failures = 0;
    let before = doneBytes();
    const attempt = async (): Promise<T> => {
      if (failures > 0) await this.#context.untilConnected(signal);
      return await task();
    };
    const shouldRetry = (error: unknown): boolean => {
      // The server says when to come back: a budget is refilled then, or an outage of its storage may be over.
      if (
        isCommError(error) &&
        isRetryable(error) &&
        (error.code === 'RATE_LIMITED' || error.retryAfterMs !== undefined)
      )
        return true;
      failures = doneBytes() > before ? 1 : failures + 1;
      before = doneBytes();
      // Another request of this upload was still running, or the offset is another one.
      const isConflict = isCommError(error) && error.code === 'CONFLICT';
      return failures < MAX_FAILURES && (isConflict || isRetryable(error));
    };
    return await retry(attempt, this.#context, { backoff: BACKOFF, signal, shouldRetry });
  }

  #sign(fileId: string): Promise<string> {
    const waiting = this.#wanted.get(fileId);
    if (waiting !== undefined) return waiting.promise;
    const promise = deferred<string>();
    if (this.#wanted.size === 0) void Promise.resolve().then(() => this.#signWanted());
    this.#wanted.set(fileId, promise);
    return promise.promise;
  }

  async #signWanted(): Promise<void> {
    const wanted = [...this.#wanted];
    this.#wanted = new Map();
    for (let from = 0; from < wanted.length; from += MAX_SIGNED) {
      const batch = wanted.slice(from, from + MAX_SIGNED);
      try {
        const found = await this.#askForUrls(batch.map(([fileId]) => fileId));
        for (const [fileId, promise] of batch) {
          const url = found.get(fileId);
          if (url === undefined) promise.reject(new CommError('NOT_FOUND', 'Not found'));
          else promise.resolve(url);
        }
      } catch (error) {
        for (const [, promise] of batch) promise.reject(error);
      }
    }
  }

  async #askForUrls(fileIds: string[]): Promise<ReadonlyMap<string, string>> {
    const answer = fields(await this.#context.requester.request('file:sign', { fileIds }));
    const expiresAt = Date.parse(String(answer?.['expiresAt']));
    const files = answer?.['files'];
    if (!Array.isArray(files) || Number.isNaN(expiresAt)) throw unreadable('answer to file:sign');
    const found = new Map<string, string>();
    for (const each of files as readonly unknown[]) {
      const { fileId, url } = fields(each) ?? {};
      if (typeof fileId !== 'string' || typeof url !== 'string' || !isAttachmentUrl(url)) continue;
      const absolute = new URL(url, this.#base).href;
      found.set(fileId, absolute);
      this.#signed.set(fileId, { url: absolute, expiresAt });
    }
    return found;
  }
}

/** Returns the body of a response in large parts. @param received - called with each chunk that arrives */
async function* blobsOf({ body }: Response, received: () => void): AsyncGenerator<Blob> {
  if (body === null) return;
  const reader = body.getReader();
  let chunks: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      received();
      chunks.push(value);
      bytes += value.byteLength;
      if (bytes < BLOB_BYTES) continue;
      yield new Blob(chunks);
      chunks = [];
      bytes = 0;
    }
  } catch (error) {
    // What has arrived is kept, so that the next attempt continues after it.
    if (bytes > 0) yield new Blob(chunks);
    throw error;
  }
  if (bytes > 0) yield new Blob(chunks);
}

/** Returns whether files of this type have a description. */
export function isDescribable(mimeType: string): boolean {
  return /^(?:image|audio|video)\//.test(mimeType);
}

/** Returns the error of an upload that the app gets: a rejection of the file itself, else `UPLOAD_FAILED`. */
export function uploadError(cause: unknown): CommError {
  return isRejection(cause) ? cause : new CommError('UPLOAD_FAILED', 'The upload failed', { cause });
}

function isRejection(error: unknown): error is CommError {
  return isCommError(error) && REJECTIONS.has(error.code);
}
