import { sql } from 'kysely';
import type { ForwardedFrom } from '../../../protocol/messages.ts';
import { rowIdOf, type MessageRow } from './rows.ts';
import { query, statement, type Params } from '../engine/statement.ts';
import { first, type Work } from '../engine/work.ts';

/** The columns of {@link MessageRow}. */
export const MESSAGE_COLUMNS = [
  'messages.id',
  'messages.conversation_id',
  'messages.sender_id',
  'messages.content',
  'messages.type',
  'messages.reply_to',
  'messages.attachment',
  'messages.encrypted',
  'messages.created_at',
  'messages.updated_at',
  'messages.seq',
  'messages.rev',
  'messages.client_id',
  'messages.public_id',
  'messages.deleted_at',
  'messages.forwarded_from_conversation_id',
  'messages.forwarded_from_message_id',
  'messages.link_preview',
  'messages.reaction_envelopes',
  'messages.thread_id',
  'messages.side',
  'messages.side_seq',
  'messages.thread_seq',
  'messages.thread',
  'messages.mentions',
  'messages.metadata',
  'messages.pinned_by',
  'messages.pinned_at',
  'messages.deleted_by',
] as const;

/** Every row has `seq` and `rev`, set by the server, a migration or a trigger. */
export const messageRows = query
  .selectFrom('messages')
  .select(MESSAGE_COLUMNS)
  .$narrowType<{ seq: number; rev: number }>();

const selectById = statement((p: Params<{ id: number }>) => messageRows.where('messages.id', '=', p.id));
const selectByPublicId = statement((p: Params<{ publicId: string }>) =>
  messageRows.where('messages.public_id', '=', p.publicId),
);
const selectOwn = statement((p: Params<{ senderId: string; clientId: string }>) =>
  messageRows.where('messages.sender_id', '=', p.senderId).where('messages.client_id', '=', p.clientId),
);

/**
 * Finds a message by its id on the wire, or by the client id that `senderId` chose: before the reply to a send arrives,
 * the sender knows no other id. Decimal ids are never client ids.
 */
export function* findMessage(messageId: string, senderId?: string): Work<MessageRow | undefined> {
  const id = rowIdOf(messageId);
  if (id !== undefined) return yield* first(selectById({ id }));
  const row = yield* first(selectByPublicId({ publicId: messageId }));
  if (row !== undefined || senderId === undefined) return row;
  return yield* first(selectOwn({ senderId, clientId: messageId }));
}

/** A message to insert. */
export interface NewMessage {
  readonly conversationId: string;
  readonly senderId: string;
  /** JSON of the envelope if encrypted. */
  readonly content: string;
  readonly type: string;
  /** JSON. */
  readonly attachment?: string | undefined;
  readonly encrypted: boolean;
  readonly clientId?: string | undefined;
  readonly publicId?: string | undefined;
  readonly forwardedFrom?: ForwardedFrom | undefined;
  /** JSON. */
  readonly linkPreview?: string | undefined;
  /** JSON. */
  readonly metadata?: string | undefined;
  readonly createdAt: string;
  readonly seq: number;
  readonly rev: number;
  /** Number of replies in the conversation that are shown in their threads only. */
  readonly sideSeq: number;
}

/** Columns that only changes set. */
export const UNCHANGED = {
  updated_at: null,
  deleted_at: null,
  reaction_envelopes: null,
  pinned_by: null,
  pinned_at: null,
  deleted_by: null,
} as const;

/** The columns that a new message of the server doesn't have. */
const LATER = { ...UNCHANGED, thread_id: null, side: 0, thread_seq: null, thread: null, mentions: null } as const;

const insert = statement((p: Params<Omit<MessageRow, keyof typeof LATER | 'id'>>) =>
  query
    .insertInto('messages')
    .values({
      conversation_id: p.conversation_id,
      sender_id: p.sender_id,
      content: p.content,
      type: p.type,
      reply_to: p.reply_to,
      attachment: p.attachment,
      encrypted: p.encrypted,
      created_at: p.created_at,
      seq: p.seq,
      rev: p.rev,
      sender_seq: sql<number>`1 + coalesce((
        select sender_seq from messages where conversation_id = ${p.conversation_id} and sender_id = ${p.sender_id}
        order by seq desc limit 1
      ), 0)`,
      client_id: p.client_id,
      public_id: p.public_id,
      forwarded_from_conversation_id: p.forwarded_from_conversation_id,
      forwarded_from_message_id: p.forwarded_from_message_id,
      link_preview: p.link_preview,
      metadata: p.metadata,
      side_seq: p.side_seq,
    })
    .returning('id'),
);

/** Inserts a message and returns its row. */
export function* insertMessage(message: NewMessage): Work<MessageRow> {
  const values = {
    conversation_id: message.conversationId,
    sender_id: message.senderId,
    content: message.content,
    type: message.type,
    reply_to: null,
    attachment: message.attachment ?? null,
    encrypted: message.encrypted ? 1 : 0,
    created_at: message.createdAt,
    seq: message.seq,
    rev: message.rev,
    client_id: message.clientId ?? null,
    public_id: message.publicId ?? null,
    forwarded_from_conversation_id: message.forwardedFrom?.conversationId ?? null,
    forwarded_from_message_id: message.forwardedFrom?.messageId ?? null,
    link_preview: message.linkPreview ?? null,
    metadata: message.metadata ?? null,
    side_seq: message.sideSeq,
  };
  const row = yield* first(insert(values));
  if (row === undefined) throw new Error('INSERT returned no id');
  return { ...values, ...LATER, id: row.id };
}
