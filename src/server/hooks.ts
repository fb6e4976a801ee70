import type { Message, SendMessage } from '../protocol/messages.ts';

/**
 * A message before it is stored, or an edit of one. Of an encrypted message the hook sees who sends it, where, and its encrypted
 * files; `content` is empty.
 */
export interface ProposedMessage extends Pick<
  SendMessage,
  | 'conversationId'
  | 'content'
  | 'replyTo'
  | 'attachment'
  | 'attachments'
  | 'linkPreview'
  | 'metadata'
  | 'mentions'
  | 'threadId'
  | 'alsoInConversation'
  | 'clientId'
> {
  readonly senderId: string;
  readonly type: Message['type'];
  readonly encrypted?: boolean | undefined;
  /** Id of the message that is edited; absent for a new one. `metadata` and `mentions` are then what the edit replaces. */
  readonly messageId?: string | undefined;
}

/** What a user reported about a message. */
export interface Report {
  readonly id: string;
  readonly conversationId: string;
  readonly messageId: string;
  /** Sender of the message. */
  readonly senderId: string;
  readonly reporterId: string;
  readonly reason: string;
  readonly comment?: string | undefined;
  /** The message as the server had it at the time of the report, without reactions and receipts. Encrypted ones have no text. */
  readonly message?: Message | undefined;
  /** Text of an encrypted message, as the reporter's device has decrypted it: a claim that the server can't verify. */
  readonly content?: string | undefined;
  /** ISO 8601. */
  readonly createdAt: string;
  /** ISO 8601; absent while the report is open. */
  readonly resolvedAt?: string | undefined;
  readonly resolvedBy?: string | undefined;
  readonly resolution?: string | undefined;
}

/** A file whose bytes have been received, before it is stored for its conversation. */
export interface ReceivedFile {
  readonly fileId: string;
  readonly conversationId: string;
  readonly uploaderId: string;
  readonly fileName: string;
  /** Type that the uploader has announced and, where it has a signature, that the bytes have. */
  readonly mimeType: string;
  /** Bytes. */
  readonly size: number;
  /** Reads the bytes, in chunks. */
  read(): AsyncIterable<Uint8Array>;
}

/** A user as the app knows them. */
export interface ResolvedUser {
  readonly id: string;
  /** At most 100 characters. @defaultValue that of the other sources, else the id */
  readonly displayName?: string | undefined;
  /** An http(s) URL, or a path of the pages' own origin; at most 512 characters. */
  readonly avatarUrl?: string | undefined;
  /** At most 4 KiB of JSON, 8 levels deep. */
  readonly metadata?: Readonly<Record<string, unknown>> | undefined;
}

/** Functions of the app that decide about requests. Each may be asynchronous and has 2 s to answer, if not noted. */
export interface ServerHooks {
  /**
   * Returns the profiles of users, at most 500 of them. The answer is stored; each user is asked about again after a minute at
   * the earliest. Users without an entry, and invalid fields, have the profile of the other sources, as have all users while
   * the hook fails. With this hook, users can't change their profiles.
   *
   * @defaultValue profiles are those that users and the app have stored, and those of tokens
   */
  resolveUsers?:
    | ((userIds: readonly string[]) => readonly ResolvedUser[] | Promise<readonly ResolvedUser[]>)
    | undefined;
  /**
   * Returns whether a user may contact all of these users: before a conversation with them is created, before they are
   * added to one, before a call rings, and before their presence, their keys or their profiles are shown. Only `true`
   * allows it. A rejected request fails with
   * `FORBIDDEN`, or with the code of a CommError that the hook throws.
   *
   * @defaultValue every user may contact every other
   */
  mayContact?: ((callerId: string, userIds: readonly string[]) => boolean | Promise<boolean>) | undefined;
  /**
   * Checks an uploaded file, for example with a virus scanner, before messages can refer to it. A CommError that the hook
   * throws is sent to the uploader, and the file is deleted. Has 60 s to answer.
   *
   * @defaultValue every file is accepted
   */
  beforeUpload?: ((file: ReceivedFile) => void | Promise<void>) | undefined;
  /**
   * Reviews a message before it is stored, a forwarded one too, and each edit. Returns nothing to accept it, or an object whose
   * `content`, `metadata` and `mentions` replace those of the message, such as a changed copy of it. A CommError that it throws is sent to
   * the sender. An encrypted message can only be accepted or refused.
   *
   * Called once per message: a message that is sent again with the same client id is not reviewed again once it is stored. What a
   * user sends to one conversation is stored in the order in which it was sent.
   *
   * @defaultValue every message is accepted
   */
  beforeMessage?:
    | ((
        message: Readonly<ProposedMessage>,
        callerId: string,
      ) => Partial<ProposedMessage> | undefined | Promise<Partial<ProposedMessage> | undefined>)
    | undefined;
  /**
   * Called after a report was stored. Its failure is logged and doesn't affect the reporter.
   *
   * @defaultValue reports are only stored
   */
  onReport?: ((report: Report) => void | Promise<void>) | undefined;
}
