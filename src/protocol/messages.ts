import * as v from 'valibot';
import { changeEnvelopeSchema, envelopeSchema, type DecryptionFailure, type EncryptedEnvelope } from './encryption.ts';
import {
  counterSchema,
  idSchema,
  metadataSchema,
  mimeTypeSchema,
  safeUrlSchema,
  timeSchema,
  wellFormed,
} from './common-schemas.ts';
import { linkPreviewSchema, type LinkPreview } from './link-previews.ts';
import { LIMITS } from './limits.ts';
import { mentionsSchema, threadSummarySchema, type ThreadSummary } from './threads.ts';
import type { JsonObject } from './metadata.ts';
import {
  MESSAGE_STATUSES,
  MESSAGE_TYPES,
  SENDABLE_TYPES,
  type MessageStatus,
  type MessageType,
  type SendableType,
} from './constants.ts';

/** A file attached to a message. `url` is a relative path or an http(s) URL. */
export interface MessageAttachment {
  url: string;
  mimeType: string;
  fileName: string;
  /** Bytes. */
  fileSize: number;
  /** Pixels. */
  width?: number | undefined;
  /** Pixels. */
  height?: number | undefined;
  /** Seconds. */
  duration?: number | undefined;
  /** A smaller picture of an image or video, at most 320 px wide and high. */
  thumbnailUrl?: string | undefined;
  /** What to show of an image or video until it has loaded: a ThumbHash in base64. */
  placeholder?: string | undefined;
  /** Loudness of an audio file over its duration: at most 64 values from 0 to 100. */
  waveform?: number[] | undefined;
  /**
   * Decrypts the file, which is encrypted. Only in encrypted messages: never readable on the wire. The other fields describe the
   * decrypted file.
   */
  keys?: AttachmentKeys | undefined;
  /** Decrypts the file of `thumbnailUrl`. */
  thumbnailKeys?: AttachmentKeys | undefined;
}

/** Decrypts an encrypted file. All fields are padded base64, except `size`, which is the length of the file in bytes. */
export interface AttachmentKeys {
  key: string;
  prefix: string;
  size: number;
  /** SHA-256 of the encrypted file. */
  sha256: string;
}

/** A user who has read a message, and when (ISO 8601). */
export interface ReadReceipt {
  userId: string;
  readAt: string;
}

/** All users who reacted to a message with one emoji, in the order of their reactions. */
export interface Reaction {
  emoji: string;
  count: number;
  users: string[];
  /**
   * For an encrypted message: those of `users` of whom only the server says that they reacted. Set by the client; never on the
   * wire.
   */
  unauthenticated?: string[] | undefined;
}

/** Who pinned a message, and when (ISO 8601). */
export interface Pin {
  by: string;
  at: string;
}

/** The original of a forwarded message. */
export interface ForwardedFrom {
  conversationId: string;
  messageId: string;
}

/**
 * A message as a participant sees it. Times are ISO 8601 in UTC. A deleted message remains as a tombstone with `deletedAt`
 * and an empty `content`.
 */
export interface Message {
  /** A decimal string, `call-<uuid>` for the log of a call, or the client id while the message is pending. */
  id: string;
  conversationId: string;
  senderId: string;
  /** Empty for deleted and for encrypted messages. */
  content: string;
  type: MessageType;
  createdAt: string;
  updatedAt?: string | undefined;
  /** Id of the message that this one replies to. */
  replyTo?: string | undefined;
  /** The first of `attachments`. */
  attachment?: MessageAttachment | undefined;
  /** All files of the message, if it was sent with this field. */
  attachments?: MessageAttachment[] | undefined;
  /** The least advanced state among the recipients. */
  status: MessageStatus;
  /** The first 50 readers, without the sender. */
  readBy: ReadReceipt[];
  encrypted?: boolean | undefined;
  /** The encrypted content; of a tombstone, the encrypted deletion. */
  envelope?: EncryptedEnvelope | undefined;
  /** Id that the sender's client chose; a UUIDv7 for clients of this package. */
  clientId?: string | undefined;
  /** Position in the conversation: permanent, consecutive, from 1. */
  seq?: number | undefined;
  /** The conversation's `rev` at the last change of this message. */
  rev?: number | undefined;
  reactions?: Reaction[] | undefined;
  /** For an encrypted message: the encrypted reactions, one envelope per user, of at most 100 users. */
  reactionEnvelopes?: EncryptedEnvelope[] | undefined;
  forwardedFrom?: ForwardedFrom | undefined;
  /** A preview of a link in `content`, as the sender's client made it. */
  linkPreview?: LinkPreview | undefined;
  /** Ids of the users whom the message mentions. */
  mentions?: string[] | undefined;
  /** Id of the root of the thread in which this message is a reply. */
  threadId?: string | undefined;
  /** True for a reply that is also in the main timeline. */
  alsoInConversation?: boolean | undefined;
  /** Position among the replies of the thread: permanent, consecutive, from 1. */
  threadSeq?: number | undefined;
  /** Position in the main timeline: permanent, consecutive, from 1. Absent if it equals `seq`. */
  timelineSeq?: number | undefined;
  /** The replies to this message. */
  thread?: ThreadSummary | undefined;
  /** Data of the app. */
  metadata?: JsonObject | undefined;
  /** Set while the message is pinned in its conversation. Only the server says so, of an encrypted message too. */
  pinned?: Pin | undefined;
  /** When the message was deleted. */
  deletedAt?: string | undefined;
  /** Who deleted the message; absent in tombstones of earlier versions, which only senders could make. */
  deletedBy?: string | undefined;
  /**
   * True if only the server says that this encrypted message was deleted: its content stays on this device. Set by the client;
   * never on the wire.
   */
  deletionUnauthenticated?: boolean | undefined;
  /** True if this user has blocked the sender: apps collapse the message. Set by the client in views; never on the wire. */
  fromBlocked?: boolean | undefined;
  /** When the sender of an encrypted message wrote it, authenticated. Set by the client; never on the wire. */
  sentAt?: string | undefined;
  /** Why the client could not decrypt the message. Set by the client; never on the wire. */
  undecrypted?: DecryptionFailure | undefined;
}

/** A page of messages, newest first. */
export interface MessagePage {
  messages: Message[];
  /** Whether more messages follow in the direction of the page. A page can end before its limit. */
  hasMore: boolean;
}

const size = v.pipe(v.number(), v.minValue(0), v.finite());

/** Validates {@link MessageAttachment}. */
export const attachmentSchema = v.object({
  url: safeUrlSchema,
  mimeType: mimeTypeSchema,
  fileName: v.pipe(v.string(), v.nonEmpty(), v.maxLength(LIMITS.fileNameLength)),
  fileSize: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  width: v.optional(size),
  height: v.optional(size),
  duration: v.optional(size),
  thumbnailUrl: v.optional(safeUrlSchema),
  placeholder: v.optional(v.pipe(v.string(), v.maxLength(LIMITS.placeholderLength), v.regex(/^[\w+/]*={0,2}$/))),
  waveform: v.optional(
    v.pipe(
      v.array(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(100))),
      v.maxLength(LIMITS.waveformValues),
    ),
  ),
}) satisfies v.GenericSchema<unknown, MessageAttachment>;
const attachmentsSchema = v.pipe(v.array(attachmentSchema), v.minLength(1), v.maxLength(LIMITS.attachments));

/** Validates {@link ReadReceipt}. */
export const readReceiptSchema = v.object({ userId: v.string(), readAt: timeSchema }) satisfies v.GenericSchema<
  unknown,
  ReadReceipt
>;

/** Validates {@link Reaction}. */
export const reactionSchema = v.object({
  emoji: v.string(),
  count: v.number(),
  users: v.array(v.string()),
}) satisfies v.GenericSchema<unknown, Reaction>;

/** Validates {@link Pin}. */
export const messagePinSchema = v.object({ by: v.string(), at: timeSchema }) satisfies v.GenericSchema<unknown, Pin>;

/** Validates {@link Message}. */
export const messageSchema = v.object({
  id: v.string(),
  conversationId: v.string(),
  senderId: v.string(),
  content: v.string(),
  type: v.picklist(MESSAGE_TYPES),
  createdAt: timeSchema,
  updatedAt: v.optional(timeSchema),
  replyTo: v.optional(v.string()),
  attachment: v.optional(attachmentSchema),
  attachments: v.optional(attachmentsSchema),
  status: v.picklist(MESSAGE_STATUSES),
  readBy: v.array(readReceiptSchema),
  encrypted: v.optional(v.boolean()),
  envelope: v.optional(envelopeSchema),
  clientId: v.optional(v.string()),
  seq: v.optional(counterSchema),
  rev: v.optional(counterSchema),
  reactions: v.optional(v.array(reactionSchema)),
  reactionEnvelopes: v.optional(v.array(envelopeSchema)),
  forwardedFrom: v.optional(v.object({ conversationId: v.string(), messageId: v.string() })),
  linkPreview: v.optional(linkPreviewSchema),
  mentions: v.optional(v.array(v.string())),
  threadId: v.optional(v.string()),
  alsoInConversation: v.optional(v.boolean()),
  threadSeq: v.optional(counterSchema),
  timelineSeq: v.optional(counterSchema),
  thread: v.optional(threadSummarySchema),
  metadata: v.optional(metadataSchema),
  pinned: v.optional(messagePinSchema),
  deletedAt: v.optional(timeSchema),
  deletedBy: v.optional(v.string()),
}) satisfies v.GenericSchema<unknown, Message>;

// Requests

/** Sends a message. Idempotent if it has a `clientId`. */
export interface SendMessage {
  conversationId: string;
  content: string;
  type: SendableType;
  replyTo?: string | undefined;
  /** A single file. Not used if there are `attachments`. */
  attachment?: MessageAttachment | undefined;
  /** The files, at most `LIMITS.attachments`. For peers that know one only, the server sets the first as `attachment`. */
  attachments?: MessageAttachment[] | undefined;
  encrypted?: boolean | undefined;
  envelope?: EncryptedEnvelope | undefined;
  /** A preview of a link in `content`; not in encrypted messages. */
  linkPreview?: LinkPreview | undefined;
  /** Ids of participants whom the message mentions, at most `LIMITS.mentions`. Those of an encrypted message are in its envelope. */
  mentions?: string[] | undefined;
  /** Id of the message to whose thread this one is a reply. For a reply, its root is used. */
  threadId?: string | undefined;
  /** Shows the reply in the main timeline too. */
  alsoInConversation?: boolean | undefined;
  /** Data of the app, at most `LIMITS.metadataBytes` of JSON; an empty object is none. Not in encrypted messages, whose envelope has it. */
  metadata?: JsonObject | undefined;
  /** A UUIDv7 that the client chooses. A repeated id is answered with the message already stored. */
  clientId?: string | undefined;
  /**
   * Client id of the sender's message that must be stored before this one; otherwise the server answers CONFLICT. This
   * keeps pipelined messages in order if one of them is rejected temporarily.
   */
  afterClientId?: string | undefined;
}

/** Validates {@link MessagePage}. */
export const messagePageSchema = v.object({
  messages: v.array(messageSchema),
  hasMore: v.boolean(),
}) satisfies v.GenericSchema<unknown, MessagePage>;

/** Validates {@link SendMessage}. */
export const sendMessageSchema = v.object({
  conversationId: idSchema,
  // The server checks its configured `maxMessageLength` separately, because it has its own error code.
  content: v.pipe(v.string(), v.maxLength(LIMITS.bodyBytes), wellFormed),
  type: v.picklist(SENDABLE_TYPES),
  replyTo: v.optional(idSchema),
  attachment: v.optional(attachmentSchema),
  attachments: v.optional(attachmentsSchema),
  encrypted: v.optional(v.boolean()),
  envelope: v.optional(envelopeSchema),
  linkPreview: v.optional(linkPreviewSchema),
  mentions: v.optional(mentionsSchema),
  threadId: v.optional(idSchema),
  alsoInConversation: v.optional(v.boolean()),
  metadata: v.optional(metadataSchema),
  clientId: v.optional(idSchema),
  afterClientId: v.optional(idSchema),
}) satisfies v.GenericSchema<unknown, SendMessage>;

/** Identifies a message. */
export interface MessageRef {
  conversationId: string;
  messageId: string;
}
/** Makes a change idempotent. */
export interface ChangeOnce {
  /** A UUIDv7 that the client chooses per change. A repeated id is answered with the current message. */
  clientId?: string | undefined;
}
/** Replaces the text of one of the caller's own messages. */
export interface EditMessage extends MessageRef {
  /** The new text, or a placeholder for an encrypted message. */
  content: string;
  /** Replaces the data of the app; an empty object removes it. If absent, it stays. Not for encrypted messages. */
  metadata?: JsonObject | undefined;
  /** The new text, encrypted. Required for encrypted messages, not allowed for others. */
  envelope?: EncryptedEnvelope | undefined;
  /** Replaces the mentions. If absent, they stay. */
  mentions?: string[] | undefined;
}
/** Deletes one of the caller's own messages or, as owner or admin of a group, any message in it. */
export interface DeleteMessage extends MessageRef {
  /** The encrypted deletion, by which readers of an encrypted message recognise a genuine one. Not allowed for others. */
  envelope?: EncryptedEnvelope | undefined;
}
/** Adds or removes a reaction of the caller. `emoji` has at most 64 UTF-16 code units; with `on: true` it is a single emoji. */
export interface ReactToMessage extends MessageRef {
  emoji: string;
  /** `true` adds the reaction, `false` removes it. If absent, it is toggled, as base clients expect. */
  on?: boolean | undefined;
  /** All reactions of the caller to an encrypted message after this one, encrypted. Not allowed for others. */
  envelope?: EncryptedEnvelope | undefined;
}
/** Copies a message to another conversation. */
export interface ForwardMessage {
  messageId: string;
  fromConversationId: string;
  toConversationId: string;
  /** As in {@link SendMessage}: makes the request idempotent. */
  clientId?: string | undefined;
}

const messageRef = { conversationId: idSchema, messageId: idSchema };
const changed = { ...messageRef, clientId: v.optional(idSchema) };
/** Validates {@link MessageRef}. */
export const messageRefSchema = v.object(messageRef) satisfies v.GenericSchema<unknown, MessageRef>;
/** Validates {@link DeleteMessage} and {@link ChangeOnce}. */
export const deleteMessageSchema = v.object({
  ...changed,
  envelope: v.optional(changeEnvelopeSchema),
}) satisfies v.GenericSchema<unknown, DeleteMessage & ChangeOnce>;
/** Validates {@link EditMessage} and {@link ChangeOnce}. */
export const editMessageSchema = v.object({
  ...changed,
  content: v.pipe(v.string(), v.nonEmpty(), v.maxLength(LIMITS.bodyBytes), wellFormed),
  metadata: v.optional(metadataSchema),
  envelope: v.optional(envelopeSchema),
  mentions: v.optional(mentionsSchema),
}) satisfies v.GenericSchema<unknown, EditMessage & ChangeOnce>;
/** Validates {@link ReactToMessage} and {@link ChangeOnce}. */
export const reactSchema = v.object({
  ...changed,
  emoji: v.pipe(v.string(), v.trim(), v.nonEmpty(), v.maxLength(LIMITS.emojiLength), wellFormed),
  on: v.optional(v.boolean()),
  envelope: v.optional(changeEnvelopeSchema),
}) satisfies v.GenericSchema<unknown, ReactToMessage & ChangeOnce>;
/** Validates {@link ForwardMessage}. */
export const forwardMessageSchema = v.object({
  messageId: idSchema,
  fromConversationId: idSchema,
  toConversationId: idSchema,
  clientId: v.optional(idSchema),
}) satisfies v.GenericSchema<unknown, ForwardMessage>;

// Pushes

/** Position of a change: `rev` orders the changes of a conversation, `seq` is the position of the message. */
interface Position {
  conversationId?: string | undefined;
  seq?: number | undefined;
  rev?: number | undefined;
}
/** Reports that a message was edited or deleted: its current state, and the fields that LumenJS's own client reads. */
export interface MessageUpdated extends Message {
  /** Same as `id`. */
  messageId: string;
  /** The user who changed the message. */
  editedBy: string;
}
/** Reports that a message was deleted. */
export interface MessageDeleted extends Position {
  messageId: string;
  conversationId: string;
  deletedBy: string;
  /** True if only the server says that this encrypted message was deleted. Set by the client; never on the wire. */
  unauthenticated?: boolean | undefined;
}
/**
 * Reports a new delivery state. With `conversationId` and `seq`, all messages of the same sender up to `seq` have at least
 * this status; base servers send neither.
 */
export interface MessageStatusUpdate {
  messageId: string;
  status: MessageStatus;
  conversationId?: string | undefined;
  seq?: number | undefined;
}
/** Reports all reactions to a message. */
export interface ReactionUpdate extends Position {
  messageId: string;
  reactions: Reaction[];
  /** The encrypted reactions of the user whose reactions have changed. */
  envelope?: EncryptedEnvelope | undefined;
}
/** Reports that a user has read a message. */
export interface ReadReceiptUpdate {
  conversationId: string;
  messageId: string;
  readBy: ReadReceipt;
  /** The reader has read all messages up to this position. */
  seq?: number | undefined;
}

const position = {
  conversationId: v.optional(v.string()),
  seq: v.optional(counterSchema),
  rev: v.optional(counterSchema),
};
/** Validates {@link MessageUpdated}. */
export const messageUpdatedSchema = v.object({
  ...messageSchema.entries,
  messageId: v.string(),
  editedBy: v.string(),
}) satisfies v.GenericSchema<unknown, MessageUpdated>;
/** Validates {@link MessageDeleted}. */
export const messageDeletedSchema = v.object({
  ...position,
  messageId: v.string(),
  conversationId: v.string(),
  deletedBy: v.string(),
}) satisfies v.GenericSchema<unknown, MessageDeleted>;
/** Validates {@link MessageStatusUpdate}. */
export const messageStatusSchema = v.object({
  messageId: v.string(),
  status: v.picklist(MESSAGE_STATUSES),
  conversationId: v.optional(v.string()),
  seq: v.optional(counterSchema),
}) satisfies v.GenericSchema<unknown, MessageStatusUpdate>;
/** Validates {@link ReactionUpdate}. */
export const reactionUpdateSchema = v.object({
  ...position,
  messageId: v.string(),
  reactions: v.array(reactionSchema),
  envelope: v.optional(envelopeSchema),
}) satisfies v.GenericSchema<unknown, ReactionUpdate>;
/** Validates {@link ReadReceiptUpdate}. */
export const readReceiptUpdateSchema = v.object({
  conversationId: v.string(),
  messageId: v.string(),
  readBy: readReceiptSchema,
  seq: v.optional(counterSchema),
}) satisfies v.GenericSchema<unknown, ReadReceiptUpdate>;
