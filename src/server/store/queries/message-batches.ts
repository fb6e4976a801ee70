import { sql, type RawBuilder } from 'kysely';
import type { PostingFacts } from './members.ts';
import { UNCHANGED } from './messages.ts';
import { isoTime, rowIdOf, toRole, type MessageRow } from './rows.ts';
import { insertion, listed, listedIds, type Params, query, statement } from '../engine/statement.ts';
import { all, type Work } from '../engine/work.ts';

/** What identifies a stored message. */
export type StoredMessage = Pick<MessageRow, 'id' | 'conversation_id' | 'client_id' | 'public_id' | 'thread_id'>;

interface Sender {
  conversationId: string;
  senderId: string;
}

interface FactsRow extends Partial<StoredMessage> {
  role: string | null;
  frozen: number | null;
  slow_mode_seconds: number | null;
  sender_seq: number | null;
  last_sent_at: string | null;
  blocked: number | null;
}

/**
 * The first row has the facts about the sender, the others are the sender's messages. A tombstone has the type `system`: it counts
 * as the message that it replaces, so that the slow mode can't be passed by deleting messages.
 */
const factsOf = (p: Params<Sender>, clientIds: RawBuilder<unknown>) => sql<FactsRow>`
    select p.role, c.frozen, c.slow_mode_seconds,
      (select sender_seq from messages
        where conversation_id = ${p.conversationId} and sender_id = ${p.senderId} order by seq desc limit 1) as sender_seq,
      case when c.slow_mode_seconds > 0 then (select created_at from messages
        where conversation_id = ${p.conversationId} and sender_id = ${p.senderId}
          and (deleted_at is not null or type not in ('call', 'system'))
        order by seq desc limit 1) end as last_sent_at,
      case when c.type = 'direct' then (select 1 from conversation_participants as o
        cross join comm_blocks as b on b.blocker_id = o.user_id and b.blocked_id = ${p.senderId}
        where o.conversation_id = c.id) end as blocked,
      null as id, null as conversation_id, null as client_id, null as public_id, null as thread_id
    from (select 1)
    left join conversation_participants as p on p.conversation_id = ${p.conversationId} and p.user_id = ${p.senderId}
    left join conversations as c on c.id = p.conversation_id
    union all
    select null, null, null, null, null, null, id, conversation_id, client_id, public_id, thread_id from messages
    where sender_id = ${p.senderId} and client_id ${clientIds}`;
const selectFacts = statement((p: Params<Sender & { clientIds: string }>) =>
  factsOf(p, sql`in ${listed(p.clientIds)}`),
);
/** Without a list, which SQLite would parse and sort. */
const selectFactsOfOne = statement((p: Params<Sender & { clientId: string }>) => factsOf(p, sql`= ${p.clientId}`));
const stored = query.selectFrom('messages').select(['id', 'conversation_id', 'client_id', 'public_id', 'thread_id']);
const selectByIds = statement((p: Params<{ ids: string }>) => stored.where('id', 'in', listedIds(p.ids)));
const selectByPublicIds = statement((p: Params<{ publicIds: string }>) =>
  stored.where('public_id', 'in', listed(p.publicIds)),
);

/** The columns of {@link ChosenColumns}. */
const CHOSEN = [
  'content',
  'type',
  'reply_to',
  'attachment',
  'encrypted',
  'client_id',
  'link_preview',
  'metadata',
  'mentions',
  'thread_id',
  'side',
  'side_seq',
  'thread_seq',
  'sender_seq',
] as const;

/** Columns of a new message besides {@link CHOSEN}: conversation, sender, time, `seq` and `rev`. */
const PLACE_COLUMNS = 5;
const insertRows = insertion(
  PLACE_COLUMNS + CHOSEN.length,
  (rows) => sql<{ id: number; seq: number }>`
    insert into messages (conversation_id, sender_id, created_at, seq, rev, ${sql.raw(CHOSEN.join(', '))})
    values ${rows} returning id, seq`,
);

/** What decides about the messages of one sender in one conversation. */
export interface SenderFacts {
  readonly isMember: boolean;
  /** Whether and when the sender may send; `undefined` for users who aren't members. */
  readonly posting: PostingFacts | undefined;
  /** ISO time of the sender's last message; null without slow mode. */
  readonly lastSentAt: string | null;
  /** Whether the other participant of a direct conversation has blocked the sender. */
  readonly isBlocked: boolean;
  /** Number of messages that the sender has sent in the main timeline of the conversation. */
  readonly senderSeq: number;
  /** The sender's messages with the given client ids, by client id, in any conversation. */
  readonly own: ReadonlyMap<string, StoredMessage>;
}

/** Reads what decides about messages, with one statement. @param clientIds - of the messages, and those they refer to */
export function* senderFacts(sender: Sender, clientIds: readonly string[]): Work<SenderFacts> {
  const [clientId = null] = clientIds;
  const [facts, ...own] = yield* all(
    clientIds.length === 1 && clientId !== null
      ? selectFactsOfOne({ ...sender, clientId })
      : selectFacts({ ...sender, clientIds: JSON.stringify(clientIds) }),
  );
  const role = facts?.role ?? null;
  const lastSentAt = facts?.last_sent_at ?? null;
  return {
    isMember: role !== null,
    posting:
      role === null
        ? undefined
        : { role: toRole(role), frozen: facts?.frozen === 1, slowModeSeconds: facts?.slow_mode_seconds ?? 0 },
    lastSentAt: lastSentAt === null ? null : isoTime(lastSentAt),
    isBlocked: facts?.blocked === 1,
    senderSeq: facts?.sender_seq ?? 0,
    own: new Map(own.map((row) => [row.client_id ?? '', row as StoredMessage])),
  };
}

/** Returns the messages with these ids on the wire, by that id. */
export function* messagesByIds(messageIds: readonly string[]): Work<Map<string, StoredMessage>> {
  if (messageIds.length === 0) return new Map();
  const ids = messageIds.map(rowIdOf).filter((id) => id !== undefined);
  const byId = yield* all(selectByIds({ ids: JSON.stringify(ids) }));
  const others = messageIds.filter((id) => rowIdOf(id) === undefined);
  const byPublicId = others.length === 0 ? [] : yield* all(selectByPublicIds({ publicIds: JSON.stringify(others) }));
  return new Map([
    ...byId.map((row) => [String(row.id), row] as const),
    ...byPublicId.map((row) => [row.public_id ?? '', row] as const),
  ]);
}

/** The columns of a new message that its sender chose. */
export type ChosenColumns = Pick<
  MessageRow,
  'content' | 'type' | 'reply_to' | 'attachment' | 'encrypted' | 'client_id' | 'link_preview' | 'metadata' | 'mentions'
>;

/** The columns of a new message, with its places in the main timeline and in its thread. */
export type PlacedColumns = ChosenColumns &
  Pick<MessageRow, 'thread_id' | 'side' | 'side_seq' | 'thread_seq'> & {
    /** Number of messages that the sender has sent in the main timeline up to this one. */
    readonly sender_seq: number;
  };

/** New messages of one sender in one conversation. */
export interface NewMessages extends Sender {
  readonly messages: readonly PlacedColumns[];
  readonly createdAt: string;
  /** `seq` and `rev` of the last message. */
  readonly seq: number;
  readonly rev: number;
}

/** Inserts messages and returns their rows, in order. */
export function* insertMessages(batch: NewMessages): Work<MessageRow[]> {
  const { conversationId, senderId, messages, createdAt } = batch;
  const seq = batch.seq - messages.length + 1;
  const rev = batch.rev - messages.length + 1;
  const values = messages.map((message, at) => {
    const place = [conversationId, senderId, createdAt, seq + at, rev + at];
    return [...place, ...CHOSEN.map((name) => message[name])];
  });
  const ids = new Map<number, number>();
  for (const statement of insertRows(values)) {
    for (const row of yield* all(statement)) ids.set(row.seq, row.id);
  }
  return messages.map((message, at) => {
    const id = ids.get(seq + at);
    if (id === undefined) throw new Error('INSERT returned no id');
    return {
      ...message,
      ...UNCHANGED,
      id,
      conversation_id: conversationId,
      sender_id: senderId,
      created_at: createdAt,
      seq: seq + at,
      rev: rev + at,
      public_id: null,
      forwarded_from_conversation_id: null,
      forwarded_from_message_id: null,
      thread: null,
    };
  });
}
