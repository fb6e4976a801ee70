import type { Message, MessageAttachment } from '../../protocol/messages.ts';
import type { Operation, OutboxItem, QueuedFile, QueuedMessage } from './outbox-item.ts';

/** The upload of the files of a message that is not stored yet. */
export interface UploadProgress {
  /**
   * `waiting` for a connection or for other uploads; `uploading`; `uploaded`: all files are stored, and the message is sent
   * next; `failed`: `messages.retry()` continues.
   */
  readonly state: 'waiting' | 'uploading' | 'uploaded' | 'failed';
  /** Bytes that the server has stored, of all files together. */
  readonly sentBytes: number;
  readonly totalBytes: number;
  /** False while the bytes are in memory only: the storage is full, keeps no files, or has not stored them yet. */
  readonly survivesReload: boolean;
}

/** A message with files that an app sends. */
export interface MessageToHold {
  /** The message without its files. */
  readonly clear: QueuedMessage & { clientId: string };
  readonly encrypt?: boolean | undefined;
  readonly attachments?: readonly (Blob | MessageAttachment)[] | undefined;
  readonly ordered?: boolean | undefined;
}

/** The messages whose files are kept. */
export interface UploadOwner {
  /** Shows the current state of a message in the outbox. Returns whether there is one. */
  refresh(clientId: string): boolean;
  readonly outbox: {
    /** Returns the items of this tab. */
    own(): OutboxItem[];
    /** Replaces an item of this tab. Resolves when it is stored. @returns false if there is none any more */
    replace(item: OutboxItem): Promise<boolean>;
  };
}

/** Keeps, shows and uploads the files of messages in the outbox. Loaded with the first of them. */
export interface FileUploads {
  /**
   * Takes the files of a message to send. Nothing of them stays here if the message does not get into the outbox.
   *
   * @param add - adds the message to the outbox
   * @returns the result of `add`, once it was called
   * @throws TypeError for wrong files; CommError `INVALID` for finished attachments that are encrypted in a readable message, or
   *   the other way round; what `add` throws
   */
  hold(
    message: MessageToHold,
    add: (payload: QueuedMessage, lane?: string) => Promise<unknown>,
  ): Promise<{ answer: Promise<unknown> }>;
  /**
   * Returns the lane for a request: that of the message in the outbox to which it refers, if that one is not sent in the lane
   * of its conversation.
   *
   * @param lane - the lane without such a reference
   */
  laneOf(clientId: string, operation: Operation, lane: string): string;
  /** Makes previews of the files of an item of an earlier session or of another tab. */
  restore(item: OutboxItem): Promise<void>;
  /** Returns the fields of a pending message that show its files. */
  shown(item: OutboxItem): Pick<Message, 'attachment' | 'attachments'> & { upload: UploadProgress };
  /**
   * Uploads the files of an item, or joins the upload that is under way. Continues where an earlier session has ended. Those of
   * an encrypted message are encrypted before; a readable message that must be encrypted by now becomes an encrypted one, unless
   * a part of its files has left the device.
   *
   * @returns the item with the URLs of its files
   * @throws CommError `FILE_TOO_LARGE`, `MIME_TYPE_NOT_ALLOWED`, `UPLOAD_FAILED` and other errors that are final until
   *   `retry()`; `INVALID` if the conversation has required encryption since the upload has begun
   */
  upload(item: OutboxItem): Promise<OutboxItem>;
  /** The item can't be sent for now: what expires on the server before a `retry()` is forgotten. */
  failed(item: OutboxItem): void;
  /** The item is not shown any more, for example because another user has signed in. Its stored bytes stay. */
  release(item: OutboxItem): void;
  /** Resolves when the bytes of all files are stored, or deleted. */
  settled(): Promise<void>;
  /** The item is finished: its bytes are deleted. Never rejects. @param isStored - else its upload is given up as well */
  remove(item: OutboxItem, isStored: boolean): Promise<void>;
}

/** Returns the files of an item that are uploaded before it is sent. */
export function filesOf(item: OutboxItem | undefined): readonly QueuedFile[] | undefined {
  return (item?.operation.payload as QueuedMessage | undefined)?.files;
}
