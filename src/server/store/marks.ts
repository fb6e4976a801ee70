import { sql, type RawBuilder } from 'kysely';
import { takeInboxRev } from './counters.ts';
import { listed, query, statement, type Params } from './statement.ts';
import { all, first, run, type Work } from './work.ts';

interface InConversation {
  conversationId: string;
}
interface Own extends InConversation {
  userId: string;
}

/** How far the two are who are furthest behind: enough to know everybody's slowest other, in any group. */
export type Slowest = readonly { readonly user_id: string; readonly mark: number }[];

const selectSlowestDelivered = statement((p: Params<InConversation>) =>
  query
    .selectFrom('conversation_participants')
    .select(['user_id', 'last_delivered_seq as mark'])
    .where('conversation_id', '=', p.conversationId)
    .orderBy('last_delivered_seq')
    .limit(2),
);
const selectSlowestRead = statement((p: Params<InConversation>) =>
  query
    .selectFrom('conversation_participants')
    .select(['user_id', 'last_read_seq as mark'])
    .where('conversation_id', '=', p.conversationId)
    .orderBy('last_read_seq')
    .limit(2),
);
const updateDelivered = statement((p: Params<InConversation & { userIds: string; seq: number }>) =>
  query
    .updateTable('conversation_participants')
    .set({ last_delivered_seq: p.seq })
    .where('conversation_id', '=', p.conversationId)
    .where('user_id', 'in', listed(p.userIds))
    // The plus keeps it from going through everybody who is behind: the primary key has the few that are named.
    .where(sql<number>`+last_delivered_seq`, '<', p.seq)
    .returning('user_id'),
);
const selectReadSeq = statement((p: Params<Own>) =>
  query
    .selectFrom('conversation_participants')
    .select('last_read_seq')
    .where('conversation_id', '=', p.conversationId)
    .where('user_id', '=', p.userId),
);
const updateRead = statement((p: Params<Own & { seq: number; now: string; inboxRev: number }>) =>
  query
    .updateTable('conversation_participants')
    .set({
      last_read_seq: p.seq,
      last_read_at: p.now,
      last_delivered_seq: sql<number>`max(last_delivered_seq, ${p.seq})`,
      inbox_rev: p.inboxRev,
      read_inbox_rev: p.inboxRev,
    })
    .where('conversation_id', '=', p.conversationId)
    .where('user_id', '=', p.userId),
);
const insertReceipt = statement((p: Params<{ messageId: number; userId: string; now: string }>) =>
  query
    .insertInto('read_receipts')
    .values({ message_id: p.messageId, user_id: p.userId, read_at: p.now })
    .onConflict((conflict) => conflict.doNothing()),
);

/** How many messages the participant `p` had written when the conversation was at `seq`. */
const ownUpTo = (seq: RawBuilder<number>): RawBuilder<number> => sql<number>`coalesce((
  select m.sender_seq from messages as m
  where m.conversation_id = c.id and m.sender_id = p.user_id and m.seq <= ${seq} order by m.seq desc limit 1
), 0)`;

/**
 * Exact without counting what is unread: everything after the mark, less one's own (two seeks in an index), less what
 * others deleted there (a short range of one). Needs `p` (the participant) and `c` (the conversation) in scope.
 */
export const unreadCount = sql<number>`(
  c.seq - p.last_read_seq
  - (${ownUpTo(sql<number>`c.seq`)} - ${ownUpTo(sql<number>`p.last_read_seq`)})
  - (select count(*) from messages as m
      where m.conversation_id = c.id and m.seq > p.last_read_seq and m.deleted_at is not null
        and m.sender_id <> p.user_id)
)`;

const selectUnread = statement(
  (p: Params<Own>) => sql<{ unread: number }>`
    select ${unreadCount} as unread
    from conversation_participants as p join conversations as c on c.id = p.conversation_id
    where p.conversation_id = ${p.conversationId} and p.user_id = ${p.userId}`,
);

export function* unreadCountOf(conversationId: string, userId: string): Work<number> {
  return (yield* first(selectUnread({ conversationId, userId })))?.unread ?? 0;
}

export function* slowestDelivered(conversationId: string): Work<Slowest> {
  return yield* all(selectSlowestDelivered({ conversationId }));
}

export function* slowestRead(conversationId: string): Work<Slowest> {
  return yield* all(selectSlowestRead({ conversationId }));
}

/** How far the slowest of all but `userId` is; 0 where there is nobody else. */
export function slowestBut(userId: string, slowest: Slowest): number {
  return slowest.find((each) => each.user_id !== userId)?.mark ?? 0;
}

/** Marks only move forward. Whether any did. */
export function* moveDelivered(conversationId: string, userIds: readonly string[], seq: number): Work<boolean> {
  const moved = yield* all(updateDelivered({ conversationId, userIds: JSON.stringify(userIds), seq }));
  return moved.length > 0;
}

/** Moves the user's read mark forward to `seq` (and with it what they have received). Whether it moved. */
export function* moveRead(conversationId: string, userId: string, seq: number, now: string): Work<boolean> {
  const mark = yield* readSeqOf(conversationId, userId);
  if (seq <= mark) return false;
  const inboxRev = yield* takeInboxRev(userId);
  yield* run(updateRead({ conversationId, userId, seq, now, inboxRev }));
  return true;
}

export function* readSeqOf(conversationId: string, userId: string): Work<number> {
  return (yield* first(selectReadSeq({ conversationId, userId })))?.last_read_seq ?? 0;
}

/** The row by which LumenJS knows that a message was read; the first time stays. */
export function* keepReceipt(messageId: number, userId: string, now: string): Work<void> {
  yield* run(insertReceipt({ messageId, userId, now }));
}
