import * as v from 'valibot';
import { type Participant } from '../../protocol/conversations.ts';
import { envelopeSchema } from '../../protocol/encryption.ts';
import { attachmentSchema, type Message, type Reaction, type ReadReceipt } from '../../protocol/messages.ts';
import { MESSAGE_TYPES, type MessageStatus, type MessageType, ROLES, type Role } from '../../protocol/vocabulary.ts';

/** A message as the database has it. */
export interface MessageRow {
  id: number;
  conversation_id: string;
  sender_id: string;
  content: string;
  type: string;
  reply_to: string | null;
  attachment: string | null;
  encrypted: number;
  created_at: string;
  updated_at: string | null;
  seq: number;
  rev: number;
  client_id: string | null;
  public_id: string | null;
  deleted_at: string | null;
  forwarded_from_conversation_id: string | null;
  forwarded_from_message_id: string | null;
}

export interface ParticipantRow {
  conversation_id: string;
  user_id: string;
  role: string;
  joined_at: string;
  last_read_seq: number;
  last_read_at: string | null;
  last_delivered_seq: number;
}

/** What isn't in the message's own row. */
export interface MessageContext {
  readonly status: MessageStatus;
  readonly readBy: ReadReceipt[];
  readonly reactions: Reaction[];
}

/** The id on the wire. */
export function wireId(row: Pick<MessageRow, 'id' | 'public_id'>): string {
  return row.public_id ?? String(row.id);
}

/** The row id behind a decimal id, or undefined: then it can only be one of the other form. */
export function rowIdOf(messageId: string): number | undefined {
  return /^[1-9]\d{0,14}$/.test(messageId) ? Number(messageId) : undefined;
}

/** Column defaults write `YYYY-MM-DD HH:MM:SS` in UTC; the wire has ISO 8601. */
export function isoTime(time: string): string {
  if (time[10] !== ' ') return time;
  return /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/.test(time) ? `${time.replace(' ', 'T')}.000Z` : time;
}

/**
 * What no peer of ours would accept (an attachment with a `javascript:` link, an envelope that is none) is left out:
 * old rows may hold anything, and one of them must not spoil a page.
 */
export function messageFrom(row: MessageRow, { status, readBy, reactions }: MessageContext): Message {
  const encrypted = row.encrypted !== 0;
  const deleted = row.deleted_at !== null;
  const envelope = encrypted && !deleted ? parsed(envelopeSchema, row.content) : undefined;
  const attachment = deleted || row.attachment === null ? undefined : parsed(attachmentSchema, row.attachment);
  const { forwarded_from_conversation_id: fromConversation, forwarded_from_message_id: fromMessage } = row;
  // Set one by one: spreading conditional parts would cost more than reading the row.
  const message: Message = {
    id: wireId(row),
    conversationId: row.conversation_id,
    senderId: row.sender_id,
    content: deleted || envelope !== undefined ? '' : row.content,
    type: messageType(row.type),
    createdAt: isoTime(row.created_at),
    status,
    readBy,
    seq: row.seq,
    rev: row.rev,
  };
  if (row.client_id !== null) message.clientId = row.client_id;
  if (row.updated_at !== null) message.updatedAt = isoTime(row.updated_at);
  if (row.reply_to !== null) message.replyTo = row.reply_to;
  if (attachment !== undefined) message.attachment = attachment;
  if (encrypted) message.encrypted = encrypted;
  if (envelope !== undefined) message.envelope = envelope;
  if (reactions.length > 0) message.reactions = reactions;
  if (fromConversation !== null && fromMessage !== null) {
    message.forwardedFrom = { conversationId: fromConversation, messageId: fromMessage };
  }
  if (row.deleted_at !== null) message.deletedAt = isoTime(row.deleted_at);
  return message;
}

/** Presence is not in the database; whoever answers fills it in. */
export function participantFrom(row: ParticipantRow): Participant {
  return {
    userId: row.user_id,
    displayName: row.user_id,
    role: roleFrom(row.role),
    joinedAt: isoTime(row.joined_at),
    presence: 'offline',
    lastReadSeq: row.last_read_seq,
    ...(row.last_read_at !== null && { lastReadAt: isoTime(row.last_read_at) }),
    lastDeliveredSeq: row.last_delivered_seq,
  };
}

/** LumenJS knows no roles; what it wrote is a member. */
export function roleFrom(role: string): Role {
  return ROLES.find((each) => each === role) ?? 'member';
}

function messageType(type: string): MessageType {
  return MESSAGE_TYPES.find((each) => each === type) ?? 'text';
}

function parsed<T>(schema: v.GenericSchema<unknown, T>, json: string): T | undefined {
  try {
    const result = v.safeParse(schema, JSON.parse(json));
    return result.success ? result.output : undefined;
  } catch {
    return undefined;
  }
}
