import { linkPreviewSchema } from '../../../protocol/link-previews.ts';
import { metadataSchema } from '../../../protocol/common-schemas.ts';
import * as v from 'valibot';
import { type Participant } from '../../../protocol/conversations.ts';
import { envelopeSchema, type EncryptedEnvelope } from '../../../protocol/encryption.ts';
import type { Message, Reaction, ReadReceipt } from '../../../protocol/messages.ts';
import type { ThreadSummary } from '../../../protocol/threads.ts';
import { MESSAGE_TYPES, type MessageStatus, type MessageType, ROLES, type Role } from '../../../protocol/constants.ts';
import { storedAttachmentsSchema } from './stored-attachments.ts';

/** A row of the table `messages`. */
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
  link_preview: string | null;
  reaction_envelopes: string | null;
  thread_id: string | null;
  side: number;
  side_seq: number;
  thread_seq: number | null;
  thread: string | null;
  mentions: string | null;
  metadata: string | null;
  pinned_by: string | null;
  pinned_at: string | null;
  deleted_by: string | null;
}

/** A {@link MessageRow} as an array, in the order of `MESSAGE_COLUMNS`, with its stored size where it was asked for. */
export type MessageTuple = [
  id: number,
  conversationId: string,
  senderId: string,
  content: string,
  type: string,
  replyTo: string | null,
  attachment: string | null,
  encrypted: number,
  createdAt: string,
  updatedAt: string | null,
  seq: number,
  rev: number,
  clientId: string | null,
  publicId: string | null,
  deletedAt: string | null,
  forwardedFromConversationId: string | null,
  forwardedFromMessageId: string | null,
  linkPreview: string | null,
  reactionEnvelopes: string | null,
  threadId: string | null,
  side: number,
  sideSeq: number,
  threadSeq: number | null,
  thread: string | null,
  mentions: string | null,
  metadata: string | null,
  pinnedBy: string | null,
  pinnedAt: string | null,
  deletedBy: string | null,
  bytes?: number,
];

/** A row of the table `conversation_participants`. */
export interface ParticipantRow {
  conversation_id: string;
  user_id: string;
  role: string;
  joined_at: string;
  last_read_seq: number;
  last_read_at: string | null;
  last_delivered_seq: number;
  /** Name and picture of the profile. */
  display_name: string | null;
  avatar_url: string | null;
}

/** A {@link ParticipantRow} as an array, in the order of its fields. */
export type ParticipantTuple = readonly [
  conversationId: string,
  userId: string,
  role: string,
  joinedAt: string,
  lastReadSeq: number,
  lastReadAt: string | null,
  lastDeliveredSeq: number,
  displayName: string | null,
  avatarUrl: string | null,
];

/** Converts an array to a row. */
export function toParticipantRow(row: ParticipantTuple): ParticipantRow {
  const [conversation_id, user_id, role, joined_at, last_read_seq, last_read_at, last_delivered_seq] = row;
  const [, , , , , , , display_name, avatar_url] = row;
  const markers = { last_read_seq, last_read_at, last_delivered_seq };
  return { conversation_id, user_id, role, joined_at, ...markers, display_name, avatar_url };
}

/** Data of a message that isn't in its row. */
export interface MessageContext {
  readonly status: MessageStatus;
  readonly readBy: ReadReceipt[];
  readonly reactions: Reaction[];
}

/** Returns the id on the wire. */
export function wireId(row: Pick<MessageRow, 'id' | 'public_id'>): string {
  return row.public_id ?? String(row.id);
}

/** Returns the row id of a decimal id; `undefined` if the id isn't decimal. */
export function rowIdOf(messageId: string): number | undefined {
  return /^[1-9]\d{0,14}$/.test(messageId) ? Number(messageId) : undefined;
}

/** Converts the format of column defaults, `YYYY-MM-DD HH:MM:SS` in UTC, to ISO 8601. */
export function isoTime(time: string): string {
  if (time[10] !== ' ') return time;
  return /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/.test(time) ? `${time.replace(' ', 'T')}.000Z` : time;
}

/**
 * Maps a row to a message. Invalid attachments and envelopes of old rows are omitted, so that they don't make a whole
 * page unreadable.
 */
export function toMessage(row: MessageRow, { status, readBy, reactions }: MessageContext): Message {
  const encrypted = row.encrypted !== 0;
  const deleted = row.deleted_at !== null;
  // That of a tombstone contains the deletion.
  const envelope = encrypted && row.content !== '' ? parsed(envelopeSchema, row.content) : undefined;
  const files = deleted || row.attachment === null ? undefined : parsed(storedAttachmentsSchema, row.attachment);
  const { forwarded_from_conversation_id: fromConversation, forwarded_from_message_id: fromMessage } = row;
  // Assigned one by one: spreading conditional parts costs more than reading the row.
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
  if (files?.attachment !== undefined) message.attachment = files.attachment;
  if (files?.attachments !== undefined) message.attachments = files.attachments;
  if (encrypted) message.encrypted = encrypted;
  if (envelope !== undefined) message.envelope = envelope;
  if (reactions.length > 0) message.reactions = reactions;
  const reactionEnvelopes = parseReactionEnvelopes(row);
  if (reactionEnvelopes.length > 0) message.reactionEnvelopes = reactionEnvelopes;
  if (fromConversation !== null && fromMessage !== null) {
    message.forwardedFrom = { conversationId: fromConversation, messageId: fromMessage };
  }
  if (row.link_preview !== null) {
    const linkPreview = parsed(linkPreviewSchema, row.link_preview);
    if (linkPreview !== undefined) message.linkPreview = linkPreview;
  }
  if (row.mentions !== null) message.mentions = JSON.parse(row.mentions) as string[];
  if (row.thread_id !== null) {
    message.threadId = row.thread_id;
    if (row.side === 0) message.alsoInConversation = true;
    if (row.thread_seq !== null) message.threadSeq = row.thread_seq;
  }
  if (row.side === 0 && row.side_seq > 0) message.timelineSeq = row.seq - row.side_seq;
  if (row.thread !== null) message.thread = JSON.parse(row.thread) as ThreadSummary;
  if (row.metadata !== null && !deleted) {
    const metadata = parsed(metadataSchema, row.metadata);
    if (metadata !== undefined) message.metadata = metadata;
  }
  if (row.pinned_by !== null && row.pinned_at !== null) {
    message.pinned = { by: row.pinned_by, at: isoTime(row.pinned_at) };
  }
  if (row.deleted_at !== null) message.deletedAt = isoTime(row.deleted_at);
  if (deleted && row.deleted_by !== null) message.deletedBy = row.deleted_by;
  return message;
}

/** Returns the encrypted reactions to a message. */
export function parseReactionEnvelopes({
  reaction_envelopes: json,
}: Pick<MessageRow, 'reaction_envelopes'>): EncryptedEnvelope[] {
  return json === null ? [] : (parsed(v.array(envelopeSchema), json) ?? []);
}

/** Data of a message that isn't in its row, as JSON where it is a list. */
export interface MessageJsonContext {
  readonly status: MessageStatus;
  readonly readBy: string;
  /** Empty if there are none. */
  readonly reactions: string;
}

/** Writes a text as JSON. */
export const quote: (text: string) => string = JSON.stringify;

/** Writes the JSON of {@link toMessage} without creating the message, which costs more than reading the row. */
export function messageJson(row: MessageTuple, { status, readBy, reactions }: MessageJsonContext): string {
  const [id, conversationId, senderId, content, type, replyTo, attachment, encrypted, createdAt, updatedAt, seq, rev] =
    row;
  const [
    ,
    ,
    ,
    ,
    ,
    ,
    ,
    ,
    ,
    ,
    ,
    ,
    clientId,
    publicId,
    deletedAt,
    fromConversation,
    fromMessage,
    linkPreview,
    encryptedReactions,
    threadId,
    side,
    sideSeq,
    threadSeq,
    thread,
    mentions,
    metadata,
    pinnedBy,
    pinnedAt,
    deletedBy,
  ] = row;
  const deleted = deletedAt !== null;
  const envelope = encrypted !== 0 && content !== '' ? parsed(envelopeSchema, content) : undefined;
  let json = `{"id":${publicId === null ? `"${id}"` : quote(publicId)},"conversationId":${quote(conversationId)},"senderId":${quote(senderId)}`;
  json += `,"content":${deleted || envelope !== undefined ? '""' : quote(content)},"type":"${messageType(type)}"`;
  json += `,"createdAt":${quote(isoTime(createdAt))},"status":"${status}","readBy":${readBy},"seq":${seq},"rev":${rev}`;
  if (clientId !== null) json += `,"clientId":${quote(clientId)}`;
  if (updatedAt !== null) json += `,"updatedAt":${quote(isoTime(updatedAt))}`;
  if (replyTo !== null) json += `,"replyTo":${quote(replyTo)}`;
  if (attachment !== null && !deleted) {
    const files = parsed(storedAttachmentsSchema, attachment);
    json += field('attachment', files?.attachment) + field('attachments', files?.attachments);
  }
  if (encrypted !== 0) json += ',"encrypted":true';
  json += field('envelope', envelope);
  if (reactions !== '') json += `,"reactions":${reactions}`;
  if (encryptedReactions !== null) {
    const reactionEnvelopes = parseReactionEnvelopes({ reaction_envelopes: encryptedReactions });
    if (reactionEnvelopes.length > 0) json += field('reactionEnvelopes', reactionEnvelopes);
  }
  if (fromConversation !== null && fromMessage !== null) {
    json += `,"forwardedFrom":{"conversationId":${quote(fromConversation)},"messageId":${quote(fromMessage)}}`;
  }
  if (linkPreview !== null) json += field('linkPreview', parsed(linkPreviewSchema, linkPreview));
  // Written by the server, as JSON.
  if (mentions !== null) json += `,"mentions":${mentions}`;
  if (threadId !== null) {
    json += `,"threadId":${quote(threadId)}${side === 0 ? ',"alsoInConversation":true' : ''}`;
    if (threadSeq !== null) json += `,"threadSeq":${threadSeq}`;
  }
  if (side === 0 && sideSeq > 0) json += `,"timelineSeq":${seq - sideSeq}`;
  if (thread !== null) json += `,"thread":${thread}`;
  if (metadata !== null && !deleted) json += field('metadata', parsed(metadataSchema, metadata));
  if (pinnedBy !== null && pinnedAt !== null) {
    json += `,"pinned":{"by":${quote(pinnedBy)},"at":${quote(isoTime(pinnedAt))}}`;
  }
  if (deletedAt !== null) json += `,"deletedAt":${quote(isoTime(deletedAt))}`;
  if (deleted && deletedBy !== null) json += `,"deletedBy":${quote(deletedBy)}`;
  return `${json}}`;
}

function field(name: string, value: object | undefined): string {
  return value === undefined ? '' : `,"${name}":${JSON.stringify(value)}`;
}

/** Maps a row to a participant. Presence isn't in the database and is filled in by the service. */
export function toParticipant(row: ParticipantRow): Participant {
  return {
    userId: row.user_id,
    displayName: row.display_name ?? row.user_id,
    ...(row.avatar_url !== null && { avatarUrl: row.avatar_url }),
    role: toRole(row.role),
    joinedAt: isoTime(row.joined_at),
    presence: 'offline',
    lastReadSeq: row.last_read_seq,
    ...(row.last_read_at !== null && { lastReadAt: isoTime(row.last_read_at) }),
    lastDeliveredSeq: row.last_delivered_seq,
  };
}

/** Writes the JSON of {@link toParticipant} as the parts before and after the presence. */
export function participantJson(row: ParticipantRow): { start: string; end: string } {
  const userId = quote(row.user_id);
  const displayName = row.display_name === null ? userId : quote(row.display_name);
  const avatarUrl = row.avatar_url === null ? '' : `,"avatarUrl":${quote(row.avatar_url)}`;
  const readAt = row.last_read_at === null ? '' : `,"lastReadAt":${quote(isoTime(row.last_read_at))}`;
  return {
    start: `{"userId":${userId},"displayName":${displayName}${avatarUrl},"role":"${toRole(row.role)}","joinedAt":${quote(isoTime(row.joined_at))},"presence":"`,
    end: `","lastReadSeq":${row.last_read_seq}${readAt},"lastDeliveredSeq":${row.last_delivered_seq}}`,
  };
}

/** Parses a role. LumenJS has no roles; its members are `member`. */
export function toRole(role: string): Role {
  return ROLES.find((each) => each === role) ?? 'member';
}

function messageType(type: string): MessageType {
  return MESSAGE_TYPES.find((each) => each === type) ?? 'text';
}

/** Parses stored JSON. Returns `undefined` if it isn't valid. */
export function parsed<T>(schema: v.GenericSchema<unknown, T>, json: string): T | undefined {
  try {
    const result = v.safeParse(schema, JSON.parse(json));
    return result.success ? result.output : undefined;
  } catch {
    return undefined;
  }
}
