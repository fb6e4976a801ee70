import type { MessageAttachment } from '../../protocol/messages.ts';
import { type FileCipher, SEALED_FILE } from '../cipher.ts';
import type { ClientContext } from '../context.ts';
import { type FileTransfers, isDescribable, type UploadTarget } from './file-transfers.ts';

/** What readers show of a file before they load it. */
export type Description = Partial<MessageAttachment>;

/** Time in ms after which a message is sent without a thumbnail. */
const THUMBNAIL_TIMEOUT_MS = 60_000;

/** A file to describe. */
export interface DescribedFile {
  readonly id: string;
  readonly conversationId: string;
  readonly mimeType: string;
  /** Encrypts the thumbnail; absent in a readable message. */
  readonly cipher: FileCipher | undefined;
  /** Returns the readable bytes; `undefined` if they are not stored. */
  readonly bytes: () => Promise<Blob | undefined>;
  /** Called before bytes are sent; rejects if none may be. */
  readonly check: () => Promise<void>;
}

/** Describes the files of messages in the outbox, and uploads their thumbnails. */
export class FileDescriptions {
  readonly #context: ClientContext;
  readonly #transfers: FileTransfers;
  /** By id of the file, as the uploads of thumbnails are. */
  readonly #descriptions = new Map<string, Description>();
  readonly #thumbnails = new Map<string, UploadTarget>();
  /** Ids of files whose thumbnail is named by the stored draft of their message. */
  readonly #named = new Set<string>();

  constructor(context: ClientContext, transfers: FileTransfers) {
    this.#context = context;
    this.#transfers = transfers;
  }

  /**
   * Describes a file, once. Without a description it is sent as well.
   *
   * @param uploaded - resolves when the file is stored. Its thumbnail is sent afterwards, so that it does not expire before it
   */
  async describe(file: DescribedFile, uploaded: () => Promise<unknown>, signal: AbortSignal): Promise<Description> {
    const { id } = file;
    const known = this.#descriptions.get(id);
    if (known !== undefined) return known;
    // Others are not decrypted for it.
    if (!isDescribable(file.mimeType)) return {};
    const blob = await file.bytes().catch(() => undefined);
    if (blob === undefined) return {};
    const { fields: found, thumbnail } = await this.#transfers.describe(blob, signal);
    let description: Description = found;
    if (thumbnail !== undefined && this.#context.has('uploads')) {
      // The next upload of the file sends it.
      const isUploaded = await uploaded().then(
        () => true,
        () => false,
      );
      if (!isUploaded) return found;
      description = { ...found, ...(await this.#trySendThumbnail(thumbnail, file, signal)) };
    }
    if (signal.aborted) this.forget(id);
    else this.#descriptions.set(id, description);
    return description;
  }

  /** The stored draft of the message names the thumbnail of a file, if it has one. */
  named(id: string): void {
    this.#named.add(id);
  }

  /** The message can't be sent for now: a description is forgotten, unless its thumbnail is named. */
  failed(id: string): void {
    if (!this.#named.has(id)) this.forget(id);
  }

  /** Forgets a description. Its thumbnail is given up, unless a stored message refers to it. */
  forget(id: string, isStored = false): void {
    this.#descriptions.delete(id);
    this.#named.delete(id);
    const thumbnail = this.#thumbnails.get(id);
    this.#thumbnails.delete(id);
    if (thumbnail !== undefined && !isStored) this.#transfers.giveUp(thumbnail);
  }

  /** A message doesn't wait long for a thumbnail, for example while the user's budget of the day is used up. */
  async #trySendThumbnail(thumbnail: Blob, file: DescribedFile, signal: AbortSignal): Promise<Description | undefined> {
    const timeout = new AbortController();
    const cancel = this.#context.clock.after(THUMBNAIL_TIMEOUT_MS, () => timeout.abort());
    try {
      return await this.#sendThumbnail(thumbnail, file, AbortSignal.any([signal, timeout.signal]));
    } catch {
      return undefined;
    } finally {
      cancel();
    }
  }

  async #sendThumbnail(
    thumbnail: Blob,
    { id, conversationId, cipher, check }: DescribedFile,
    signal: AbortSignal,
  ): Promise<Description> {
    const sealed = await cipher?.seal(thumbnail, signal);
    const bytes = sealed?.sealed ?? thumbnail;
    const named = sealed === undefined ? { mimeType: thumbnail.type, fileName: 'thumbnail' } : SEALED_FILE;
    const begin = async (): Promise<UploadTarget> => {
      await check();
      return await this.#transfers.begin({ conversationId, ...named, size: bytes.size }, signal);
    };
    const target = await this.#transfers.persist(begin, signal, () => 0);
    this.#thumbnails.set(id, target);
    const { mimeType } = named;
    const onProgress = (): void => undefined;
    await this.#transfers.send(bytes, target, { isResumed: false, mimeType, signal, onProgress, check });
    return { thumbnailUrl: target.url, ...(sealed && { thumbnailKeys: sealed.keys }) };
  }
}
