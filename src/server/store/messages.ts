import { sql } from 'kysely';
import type { ForwardedFrom } from '../../protocol/messages.ts';
import { rowIdOf, type MessageRow } from './rows.ts';
import { query, statement, type Params } from './statement.ts';
import { first, type Work } from './work.ts';

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
] as const;

/** Every row has its place and revision: by us, by a migration, or by a trigger. */
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
 * By the id on the wire, whichever form it has, or by the client id that `senderId` gave it: until the answer to a send
 * is there, its sender has no other name for it. Only the sender's own are looked at, and what is a number is never a
 * client id.
 */
export function* findMessage(messageId: string, senderId?: string): Work<MessageRow | undefined> {
  const id = rowIdOf(messageId);
  if (id !== undefined) return yield* first(selectById({ id }));
  const row = yield* first(selectByPublicId({ publicId: messageId }));
  if (row !== undefined || senderId === undefined) return row;
  return yield* first(selectOwn({ senderId, clientId: messageId }));
}

/** Everything that decides about a send, in one look. */
export interface SendFacts {
  readonly member: boolean;
  /** The message already stored under the same client id. */
  readonly duplicateId: number | undefined;
  /** The wire id of the message it answers, by whichever name {@link findMessage} knows; undefined where it isn't here. */
  readonly replyTo: string | undefined;
  readonly predecessorFound: boolean;
}

const selectSendFacts = statement(
  (
    p: Params<{
      conversationId: string;
      senderId: string;
      clientId: string | null;
      afterClientId: string | null;
      replyId: number | null;
      replyOther: string | null;
    }>,
  ) =>
    sql<{ member: number | null; duplicate: number | null; reply: string | number | null; predecessor: number | null }>`
    select
      (select 1 from conversation_participants
        where conversation_id = ${p.conversationId} and user_id = ${p.senderId}) as member,
      (select id from messages where sender_id = ${p.senderId} and client_id = ${p.clientId}) as duplicate,
      coalesce(
        (select coalesce(public_id, id) from messages
          where id = ${p.replyId} and conversation_id = ${p.conversationId}),
        (select public_id from messages
          where public_id = ${p.replyOther} and conversation_id = ${p.conversationId}),
        (select coalesce(public_id, id) from messages
          where sender_id = ${p.senderId} and client_id = ${p.replyOther} and conversation_id = ${p.conversationId})
      ) as reply,
      (select 1 from messages where sender_id = ${p.senderId} and client_id = ${p.afterClientId}
        and conversation_id = ${p.conversationId}) as predecessor`,
);

export function* sendFacts(
  {
    conversationId,
    senderId,
    clientId,
    replyTo,
  }: Pick<NewMessage, 'conversationId' | 'senderId' | 'clientId' | 'replyTo'>,
  afterClientId: string | undefined,
): Work<SendFacts> {
  const replyId = replyTo === undefined ? undefined : rowIdOf(replyTo);
  const row = yield* first(
    selectSendFacts({
      conversationId,
      senderId,
      clientId: clientId ?? null,
      afterClientId: afterClientId ?? null,
      replyId: replyId ?? null,
      replyOther: replyId === undefined ? (replyTo ?? null) : null,
    }),
  );
  return {
    member: row?.member === 1,
    duplicateId: row?.duplicate ?? undefined,
    replyTo: typeof row?.reply === 'number' ? String(row.reply) : (row?.reply ?? undefined),
    predecessorFound: row?.predecessor === 1,
  };
}

export interface NewMessage {
  readonly conversationId: string;
  readonly senderId: string;
  /** The envelope's JSON when encrypted. */
  readonly content: string;
  readonly type: string;
  readonly replyTo?: string | undefined;
  /** JSON. */
  readonly attachment?: string | undefined;
  readonly encrypted: boolean;
  readonly clientId?: string | undefined;
  readonly publicId?: string | undefined;
  readonly forwardedFrom?: ForwardedFrom | undefined;
  readonly createdAt: string;
  readonly seq: number;
  readonly rev: number;
}

const insert = statement((p: Params<Omit<MessageRow, 'id' | 'updated_at' | 'deleted_at'>>) =>
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
    })
    .returning('id'),
);

/** Writes the message and answers with its row. */
export function* insertMessage(message: NewMessage): Work<MessageRow> {
  const values = {
    conversation_id: message.conversationId,
    sender_id: message.senderId,
    content: message.content,
    type: message.type,
    reply_to: message.replyTo ?? null,
    attachment: message.attachment ?? null,
    encrypted: message.encrypted ? 1 : 0,
    created_at: message.createdAt,
    seq: message.seq,
    rev: message.rev,
    client_id: message.clientId ?? null,
    public_id: message.publicId ?? null,
    forwarded_from_conversation_id: message.forwardedFrom?.conversationId ?? null,
    forwarded_from_message_id: message.forwardedFrom?.messageId ?? null,
  };
  const row = yield* first(insert(values));
  if (row === undefined) throw new Error('An insert answered without its id');
  return { ...values, id: row.id, updated_at: null, deleted_at: null };
}
