import * as v from 'valibot';
import { envelopeSchema, type DecryptionFailure, type EncryptedEnvelope } from './encryption.ts';
import { counterSchema, idSchema, timeSchema, wellFormed } from './fields.ts';
import { LIMITS } from './limits.ts';
import {
  MESSAGE_STATUSES,
  MESSAGE_TYPES,
  SENDABLE_TYPES,
  type MessageStatus,
  type MessageType,
  type SendableType,
} from './vocabulary.ts';

/** A file that goes with a message. `url` is a relative path or http(s). */
export interface MessageAttachment {
  url: string;
  mimeType: string;
  fileName: string;
  /** Bytes. */
  fileSize: number;
  /** Pixels. */
  width?: number | undefined;
  height?: number | undefined;
  /** Seconds. */
  duration?: number | undefined;
  thumbnailUrl?: string | undefined;
}

/** Who has read a message, and when. */
export interface ReadReceipt {
  userId: string;
  readAt: string;
}

/** Everybody who reacted with one emoji, in the order they did. */
export interface Reaction {
  emoji: string;
  count: number;
  users: string[];
}

export interface ForwardedFrom {
  conversationId: string;
  messageId: string;
}

/**
 * A message as every reader sees it. Times are ISO 8601, UTC. A deleted message stays as a tombstone: `deletedAt`, no
 * `content`.
 */
export interface Message {
  /** A decimal string; `call-<uuid>` for a call's log; the client id while a message is pending. */
  id: string;
  conversationId: string;
  senderId: string;
  /** Empty when deleted or encrypted. */
  content: string;
  type: MessageType;
  createdAt: string;
  updatedAt?: string | undefined;
  /** Id of the message this answers. */
  replyTo?: string | undefined;
  attachment?: MessageAttachment | undefined;
  /** From the sender's point of view: how far the slowest other participant is. */
  status: MessageStatus;
  /** Who has read it, at most 50 of them; never the sender. */
  readBy: ReadReceipt[];
  encrypted?: boolean | undefined;
  envelope?: EncryptedEnvelope | undefined;
  /** The sender's own id of this message: UUIDv7 from our client. */
  clientId?: string | undefined;
  /** Position in the conversation, for ever, without holes. */
  seq?: number | undefined;
  /** The conversation's `rev` when this row last changed. */
  rev?: number | undefined;
  reactions?: Reaction[] | undefined;
  forwardedFrom?: ForwardedFrom | undefined;
  /** Set on a tombstone. */
  deletedAt?: string | undefined;
  /** Why an encrypted message can't be read here, as its reader's client found out; never on the wire. */
  undecrypted?: DecryptionFailure | undefined;
}

const attachmentUrl = v.pipe(
  v.string(),
  v.maxLength(LIMITS.urlLength),
  // A relative path or plain http(s): a `javascript:` or `data:` link would run in the reader's page.
  v.regex(/^(?:https?:\/\/|\/(?!\/)|\.{1,2}\/)/i),
);
const size = v.pipe(v.number(), v.minValue(0), v.finite());

export const attachmentSchema = v.object({
  url: attachmentUrl,
  mimeType: v.pipe(v.string(), v.maxLength(127), v.regex(/^[\w.+-]+\/[\w.+-]+$/)),
  fileName: v.pipe(v.string(), v.nonEmpty(), v.maxLength(LIMITS.fileNameLength)),
  fileSize: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  width: v.optional(size),
  height: v.optional(size),
  duration: v.optional(size),
  thumbnailUrl: v.optional(attachmentUrl),
}) satisfies v.GenericSchema<unknown, MessageAttachment>;

export const readReceiptSchema = v.object({ userId: v.string(), readAt: timeSchema }) satisfies v.GenericSchema<
  unknown,
  ReadReceipt
>;

export const reactionSchema = v.object({
  emoji: v.string(),
  count: v.number(),
  users: v.array(v.string()),
}) satisfies v.GenericSchema<unknown, Reaction>;

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
  status: v.picklist(MESSAGE_STATUSES),
  readBy: v.array(readReceiptSchema),
  encrypted: v.optional(v.boolean()),
  envelope: v.optional(envelopeSchema),
  clientId: v.optional(v.string()),
  seq: v.optional(counterSchema),
  rev: v.optional(counterSchema),
  reactions: v.optional(v.array(reactionSchema)),
  forwardedFrom: v.optional(v.object({ conversationId: v.string(), messageId: v.string() })),
  deletedAt: v.optional(timeSchema),
}) satisfies v.GenericSchema<unknown, Message>;

// Requests

export interface SendMessage {
  conversationId: string;
  content: string;
  type: SendableType;
  replyTo?: string | undefined;
  attachment?: MessageAttachment | undefined;
  encrypted?: boolean | undefined;
  envelope?: EncryptedEnvelope | undefined;
  /** UUIDv7 of the sender's choosing: the same id again answers with the message already stored. */
  clientId?: string | undefined;
  /**
   * The sender's message that must be stored before this one, by its client id. While it isn't, the server answers
   * CONFLICT, so that pipelined messages keep their order when one in the middle is refused for the moment.
   */
  afterClientId?: string | undefined;
}

export const sendMessageSchema = v.object({
  conversationId: idSchema,
  // The configured `maxMessageLength` is checked by the server, with a code of its own.
  content: v.pipe(v.string(), v.maxLength(LIMITS.bodyBytes), wellFormed),
  type: v.picklist(SENDABLE_TYPES),
  replyTo: v.optional(idSchema),
  attachment: v.optional(attachmentSchema),
  encrypted: v.optional(v.boolean()),
  envelope: v.optional(envelopeSchema),
  clientId: v.optional(idSchema),
  afterClientId: v.optional(idSchema),
}) satisfies v.GenericSchema<unknown, SendMessage>;

/** Names one message. */
export interface MessageRef {
  conversationId: string;
  messageId: string;
}
/** A change is applied once under one id: again, it is answered with the message as it stands. */
export interface ChangeOnce {
  /** UUIDv7 of the caller's choosing, another one for every change. */
  clientId?: string | undefined;
}
/** Another text for an own message. */
export interface EditMessage extends MessageRef {
  /** A placeholder where the message is encrypted. */
  content: string;
  /** The new text of an encrypted message, which has to have one; no other may. */
  envelope?: EncryptedEnvelope | undefined;
}
/** One emoji of at most 64 UTF-16 code units, on or off. */
export interface ReactToMessage extends MessageRef {
  emoji: string;
  /** The wanted state, safe to repeat; absent: toggle, as a base client means it. */
  on?: boolean | undefined;
}
/** Which message to copy, and where to. */
export interface ForwardMessage {
  messageId: string;
  fromConversationId: string;
  toConversationId: string;
  /** As in {@link SendMessage}: forwarding twice under one id is forwarding once. */
  clientId?: string | undefined;
}

const messageRef = { conversationId: idSchema, messageId: idSchema };
const changed = { ...messageRef, clientId: v.optional(idSchema) };
export const messageRefSchema = v.object(messageRef) satisfies v.GenericSchema<unknown, MessageRef>;
export const deleteMessageSchema = v.object(changed) satisfies v.GenericSchema<unknown, MessageRef & ChangeOnce>;
export const editMessageSchema = v.object({
  ...changed,
  content: v.pipe(v.string(), v.nonEmpty(), v.maxLength(LIMITS.bodyBytes), wellFormed),
  envelope: v.optional(envelopeSchema),
}) satisfies v.GenericSchema<unknown, EditMessage & ChangeOnce>;
export const reactSchema = v.object({
  ...changed,
  emoji: v.pipe(v.string(), v.trim(), v.nonEmpty(), v.maxLength(LIMITS.emojiLength), wellFormed),
  on: v.optional(v.boolean()),
}) satisfies v.GenericSchema<unknown, ReactToMessage & ChangeOnce>;
export const forwardMessageSchema = v.object({
  messageId: idSchema,
  fromConversationId: idSchema,
  toConversationId: idSchema,
  clientId: v.optional(idSchema),
}) satisfies v.GenericSchema<unknown, ForwardMessage>;

// Pushes

/** Where a durable change stands: `rev` orders changes, `seq` is the position of the message they concern. */
interface Position {
  conversationId?: string | undefined;
  seq?: number | undefined;
  rev?: number | undefined;
}
export interface MessageDeleted extends Position {
  messageId: string;
  conversationId: string;
  deletedBy: string;
}
/** Ours adds where the message stands; every message of the same sender up to `seq` has at least this status. */
export interface MessageStatusUpdate {
  messageId: string;
  status: MessageStatus;
  conversationId?: string | undefined;
  seq?: number | undefined;
}
export interface ReactionUpdate extends Position {
  messageId: string;
  reactions: Reaction[];
}
export interface ReadReceiptUpdate {
  conversationId: string;
  messageId: string;
  readBy: ReadReceipt;
  /** The reader has everything up to here. */
  seq?: number | undefined;
}

const position = {
  conversationId: v.optional(v.string()),
  seq: v.optional(counterSchema),
  rev: v.optional(counterSchema),
};
export const messageDeletedSchema = v.object({
  ...position,
  messageId: v.string(),
  conversationId: v.string(),
  deletedBy: v.string(),
}) satisfies v.GenericSchema<unknown, MessageDeleted>;
export const messageStatusSchema = v.object({
  messageId: v.string(),
  status: v.picklist(MESSAGE_STATUSES),
  conversationId: v.optional(v.string()),
  seq: v.optional(counterSchema),
}) satisfies v.GenericSchema<unknown, MessageStatusUpdate>;
export const reactionUpdateSchema = v.object({
  ...position,
  messageId: v.string(),
  reactions: v.array(reactionSchema),
}) satisfies v.GenericSchema<unknown, ReactionUpdate>;
export const readReceiptUpdateSchema = v.object({
  conversationId: v.string(),
  messageId: v.string(),
  readBy: readReceiptSchema,
  seq: v.optional(counterSchema),
}) satisfies v.GenericSchema<unknown, ReadReceiptUpdate>;
