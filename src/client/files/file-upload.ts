import { CommError, isCommError } from '../../protocol/errors.ts';
import type { MessageAttachment } from '../../protocol/messages.ts';
import { SEALED_FILE } from '../cipher.ts';
import type { DescribedFile, FileDescriptions } from './file-descriptions.ts';
import { type FileTransfers, uploadError, type UploadTarget } from './file-transfers.ts';
import type { KeptFiles } from './kept-files.ts';

/** A file of a message in the outbox. Without a cipher it is uploaded as it is. */
export interface FileToUpload extends DescribedFile {
  readonly attachment: MessageAttachment;
  /** Called when the place of the upload is stored. */
  readonly begun: () => void;
  readonly onProgress: (doneBytes: number) => void;
}

/** Errors with which the server rejects an upload for good. Others become `UPLOAD_FAILED`. */
const FINAL = new Set(['FILE_TOO_LARGE', 'MIME_TYPE_NOT_ALLOWED', 'FORBIDDEN', 'NOT_FOUND', 'UNSUPPORTED', 'INVALID']);

/** Uploads single files of messages in the outbox, from where an earlier session has ended. */
export class FileUpload {
  readonly #kept: KeptFiles;
  readonly #transfers: FileTransfers;
  readonly #descriptions: FileDescriptions;
  /** Ids of files that were uploaded by one request in this session. */
  readonly #whole = new Set<string>();

  constructor(kept: KeptFiles, transfers: FileTransfers, descriptions: FileDescriptions) {
    this.#kept = kept;
    this.#transfers = transfers;
    this.#descriptions = descriptions;
  }

  /** Forgets a file that was uploaded. */
  forget(id: string): void {
    this.#whole.delete(id);
  }

  /**
   * Uploads the stored bytes of a file.
   *
   * @returns the URL for its attachment
   * @throws CommError `UPLOAD_FAILED`, also if its bytes are not stored; an error of the server that is final
   */
  async upload(
    { id, conversationId, cipher, attachment, bytes, check, begun, onProgress }: FileToUpload,
    signal: AbortSignal,
  ): Promise<string> {
    const blob = await this.#kept.bytesOf(id);
    const { keys } = attachment;
    // Readable bytes are never sent in place of encrypted ones.
    const isComplete = cipher === undefined || (blob && keys && cipher.isSealed(blob, keys));
    if (blob === undefined || isComplete !== true) throw lost();
    // Bytes of an earlier session may belong to other keys, under which readers could not decrypt them.
    if (cipher !== undefined) await bytes().catch(unreadable);
    const { mimeType, fileName } = cipher === undefined ? attachment : SEALED_FILE;
    for (let target = await this.#kept.targetOf(id); ;) {
      // A server without tus takes the whole file at once.
      if (target?.isTus === false && this.#whole.has(id)) return target.url;
      const isResumed = target !== undefined;
      try {
        target ??= await this.#begin(id, { conversationId, mimeType, size: blob.size, fileName }, signal);
        begun();
        await this.#transfers.send(blob, target, { isResumed, mimeType, signal, onProgress, check });
        if (!target.isTus) this.#whole.add(id);
        return target.url;
      } catch (error) {
        signal.throwIfAborted();
        await check();
        if (!isCommError(error) || !FINAL.has(error.code)) throw uploadError(error);
        // The target is of no use any more.
        if (target !== undefined) await this.#kept.write(id, undefined);
        // The upload has expired. A storage without tus says so in different ways, such as 403 for a signed URL.
        if (!isResumed || (target?.isTus === true && error.code !== 'NOT_FOUND')) throw error;
        this.#descriptions.forget(id);
        target = undefined;
      }
    }
  }

  async #begin(id: string, request: Parameters<FileTransfers['begin']>[0], signal: AbortSignal): Promise<UploadTarget> {
    const begin = async (): Promise<UploadTarget> => await this.#transfers.begin(request, signal);
    const target = await this.#transfers.persist(begin, signal, () => 0);
    // Stored before the first byte is sent, so that the upload can be continued from then on.
    const { parts: _, isDirect = false, ...place } = target;
    await this.#kept.write(id, { ...place, isDirect });
    return target;
  }
}

/** The error for bytes that are neither in memory nor stored. */
export function lost(): CommError {
  return new CommError('UPLOAD_FAILED', 'The bytes of the file were not stored before the page was closed', {
    fix: 'Discard the message and send the file again.',
  });
}

function unreadable(error: unknown): never {
  throw isCommError(error) && error.code === 'E2EE_DECRYPTION_FAILED' ? lost() : uploadError(error);
}
