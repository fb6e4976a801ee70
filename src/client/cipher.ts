import type { AttachmentKeys, EditMessage, Message, MessageAttachment } from '../protocol/messages.ts';
import type { Lazy } from '../lib/lazy.ts';
import type { CommStorage } from '../storage/comm-storage.ts';
import type { ParsedPush } from '../transport/parse-push.ts';
import type { Encryption } from './encryption/encryption.ts';
import type { Operation, QueuedMessage, QueuedReport } from './outbox/outbox-item.ts';

export type { QueuedMessage, QueuedReport };

/** What the server is told of an encrypted file besides its size. */
export const SEALED_FILE = { mimeType: 'application/octet-stream', fileName: 'file' };

/** The encrypted part of a message. */
export type Secret = Pick<
  Message,
  'content' | 'type' | 'replyTo' | 'attachment' | 'attachments' | 'mentions' | 'metadata'
>;

/** Encrypts and decrypts files, and keeps the keys to those of messages in the outbox. */
export interface FileCipher {
  /** @throws CommError `UNSUPPORTED` without WebCrypto; the reason of the signal */
  seal(file: Blob, signal: AbortSignal | undefined): Promise<{ sealed: Blob; keys: AttachmentKeys }>;
  /** @throws CommError `E2EE_DECRYPTION_FAILED` if the keys are malformed, `UNSUPPORTED` without WebCrypto */
  open(keys: AttachmentKeys): Promise<FileOpener>;
  /** Decrypts a whole file. @throws CommError `E2EE_DECRYPTION_FAILED`, `UNSUPPORTED` without WebCrypto */
  decrypt(sealed: Blob, keys: AttachmentKeys): Promise<Blob>;
  /** Returns true if the bytes have the size of a file that was encrypted under these keys. Readable bytes never have. */
  isSealed(bytes: Blob, keys: AttachmentKeys): boolean;
  /**
   * Whether a conversation requires encryption.
   *
   * @param isAsked - false never asks the server, and may not know whether the option applies
   * @throws CommError that is retryable if the server can't be asked for now
   */
  isRequired(conversationId: string, isAsked: boolean): Promise<boolean>;
  /**
   * Returns the files of an encrypted message in the outbox.
   *
   * @throws CommError `E2EE_LOCKED`; `STORAGE` if the message is no longer stored
   */
  attachmentsOf(clientId: string): Promise<readonly MessageAttachment[]>;
  /**
   * Changes the files of an encrypted message in the outbox, which is encrypted again if it was. Resolves when they are stored
   * with it, encrypted; before the user's id is known they are in memory. No effect if the message has left the outbox.
   *
   * @param change - without side effects; returns `undefined` to change nothing
   * @throws CommError `E2EE_LOCKED`
   */
  attach(clientId: string, change: ChangeFiles): Promise<void>;
}

/** Returns the new files of a message. */
export type ChangeFiles = (files: readonly MessageAttachment[]) => readonly MessageAttachment[] | undefined;

/** Decrypts a file while it arrives. Both methods reject with `E2EE_DECRYPTION_FAILED` if it was modified. */
export interface FileOpener {
  /** Takes the next bytes. Resolves when they are verified. */
  write(sealed: Blob): Promise<void>;
  /** Returns the file, once all of it was written. */
  end(): Promise<Blob>;
}

/** The parts of an outbox item that encryption uses. */
export interface Outgoing {
  readonly clientId: string;
  readonly lane: string;
  readonly operation: Operation;
  /** True if files of this device were uploaded unencrypted for this message: it must not become an encrypted one. */
  readonly hasReadableFiles?: boolean | undefined;
}

/** Records of the keystore that are not about encryption itself. */
export interface SealedRecords {
  /** Runs a synchronous step without side effects on the declared records. All of its writes are stored or none. */
  transact<T>(
    names: readonly string[],
    step: (tx: {
      getJson(name: string): unknown;
      putJson(name: string, value: string): void;
      delete(name: string): void;
    }) => T,
  ): Promise<T>;
  /** Reads all records whose names start with `prefix`. */
  listJson(prefix: string): Promise<[name: string, value: unknown][]>;
}

/** A key for the media of a call. */
export interface CallKey {
  readonly keyId: number;
  /** 32 bytes. */
  readonly secret: Uint8Array<ArrayBuffer>;
}

/** Receives a key. @returns true if it belongs to a call of this device; it is not offered to other receivers then */
export type TakeCallKey = (senderId: string, about: string, key: CallKey) => boolean;

/** Exchanges keys for the media of calls over the encrypted sessions. */
export interface CallKeys {
  /** Resolves when keys can be sent and received; rejects as `encryption.ready` does. */
  ready(): Promise<void>;
  /**
   * Resolves when the key is sent, or stored until there is a connection.
   * @param about - identifies the call and the sending device; passed to the receiver, authenticated
   * @throws CommError `E2EE_IDENTITY_CHANGED`, `E2EE_NO_KEYS`
   */
  send(userId: string, about: string, key: CallKey): Promise<void>;
  /** Passes received keys to `take`, including earlier ones. @returns a function that ends it */
  listen(take: TakeCallKey): () => void;
  /** Offers the stored keys of a sender again. */
  look(senderId: string): void;
}

/**
 * Encryption as the rest of the client uses it; provided by the composition root. Messages are decrypted as soon as they
 * arrive, and encrypted when they are first sent.
 */
export interface Cipher {
  /** The API for apps. */
  readonly api: Encryption;
  readonly callKeys: Lazy<CallKeys>;
  readonly files: Lazy<FileCipher>;
  /**
   * Opens the keys of the user. Resolves before any message of theirs is decrypted or sent.
   * @throws CommError `E2EE_LOCKED` if the keys in the storage belong to another user
   */
  connected(userId: string): Promise<void>;
  connectionLost(): void;
  /** Decrypts a push and calls `deliver` with it. Pushes keep their order; those without encrypted parts may be delivered at once. */
  pushed(push: ParsedPush, deliver: (push: ParsedPush) => void): void;
  /**
   * Decrypts the messages in a response. Returns the response itself if it has no encrypted messages.
   * @param isLive - the messages are new, not history
   * @param name - the request that is answered, with its payload; absent for REST
   */
  open(answer: unknown, isLive: boolean, name?: string, payload?: unknown): unknown;
  /** Returns what the outbox stores of a message: the message itself, or a draft without its secret. */
  draft(payload: QueuedMessage & { clientId: string }, wanted: boolean | undefined): Promise<QueuedMessage>;
  /** The same for an edit. Its secret is stored separately until it is known whether the message is encrypted. */
  draftEdit(payload: EditMessage, clientId: string): EditMessage;
  /** Returns the secret of a draft if it is in memory. */
  secretOf(clientId: string): Secret | undefined;
  /** Loads the secret of a draft that an earlier session or another tab has stored. */
  reveal(clientId: string): Promise<Secret | undefined>;
  /** Stores the secret of a draft. Calls for one lane are processed in order. */
  keep(item: Outgoing): Promise<void>;
  /** Returns the payload to send for an item: the same bytes for every attempt. Calls for one lane resolve in order. */
  seal(item: Outgoing): Promise<Operation['payload']>;
  /** The item is finished. @param isStored - stored by the server; else rejected or discarded */
  settled(item: Outgoing, isStored: boolean): void;
  /**
   * Returns the records of the user's keystore.
   *
   * @param storage - a view of the client's storage
   * @throws CommError `E2EE_LOCKED`
   */
  sealedRecords(storage: CommStorage): Promise<SealedRecords>;
  /** The user signs out: forgets what is in memory, so that it is read again with the next use. */
  forget(): void;
  /** Adds the matching encrypted messages of this device to the results of the server. */
  search(
    query: { query: string; conversationId?: string | undefined; limit?: number | undefined },
    found: Message[],
  ): Promise<Message[]>;
}
