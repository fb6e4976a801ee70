import { sql, type RawBuilder } from 'kysely';
import type { UnreadState } from '../../../protocol/threads.ts';
import type { MessageRow } from './rows.ts';
import { readSeq, toUnreadState, unreadColumns, type UnreadColumns } from './threads/unread-state.ts';
import { listedIds, type Params, query, statement } from '../engine/statement.ts';
import { all, run, type Work } from '../engine/work.ts';

interface InConversation {
  conversationId: string;
}

/** The two lowest markers of a conversation. For every user, the lowest marker of the others is one of them. */
export type SlowestMarkers = readonly { readonly user_id: string; readonly mark: number }[];

/** The two lowest markers of both kinds. */
export interface Slowest {
  readonly read: SlowestMarkers;
  readonly delivered: SlowestMarkers;
}

/** The markers of one member, and the head of the conversation. */
export interface MarkersRow {
  readonly user_id: string;
  readonly last_read_seq: number;
  /** Position up to which the user has read, which the user can move back. */
  readonly read_seq: number;
  readonly last_delivered_seq: number;
  readonly seq: number;
  readonly rev: number;
}

/** The columns of a message that a receipt depends on. */
export type NamedRow = Pick<MessageRow, 'id' | 'public_id' | 'sender_id' | 'seq' | 'side'>;

/** The two lowest read markers and the two lowest delivery markers. */
const selectSlowest = statement(
  (p: Params<InConversation>) => sql<{ is_read: number; user_id: string; mark: number }>`
    select * from (select 1 as is_read, user_id, last_read_seq as mark from conversation_participants
      where conversation_id = ${p.conversationId} order by last_read_seq limit 2)
    union all
    select * from (select 0 as is_read, user_id, last_delivered_seq as mark from conversation_participants
      where conversation_id = ${p.conversationId} order by last_delivered_seq limit 2)`,
);
/**
 * The participants among users, as `p`. A cross join keeps the order of the tables: SQLite would visit all participants
 * otherwise, and the list for each of them.
 */
const participantsOf = (conversationId: RawBuilder<string>, userIds: RawBuilder<string>) => sql`
  json_each(${userIds}) as wanted
  cross join conversation_participants as p on p.conversation_id = ${conversationId} and p.user_id = wanted.value
  cross join conversations as c on c.id = p.conversation_id`;
const selectMarkers = statement(
  (p: Params<InConversation & { userIds: string }>) => sql<MarkersRow>`
    select p.user_id, p.last_read_seq, ${readSeq} as read_seq, p.last_delivered_seq, c.seq, c.rev
    from ${participantsOf(p.conversationId, p.userIds)}`,
);
const selectNamed = statement((p: Params<InConversation & { ids: string }>) =>
  query
    .selectFrom('messages')
    .select(['id', 'public_id', 'sender_id', 'seq', 'side'])
    .$narrowType<{ seq: number }>()
    .where('id', 'in', listedIds(p.ids))
    // The plus prevents the use of the conversation's index.
    .where(sql<string>`+conversation_id`, '=', p.conversationId),
);
/** Pairs of a user id and a position, as rows of the table `marks`. */
const marksOf = (json: RawBuilder<string>) => sql`(
  select value ->> 0 as user_id, cast(value ->> 1 as bigint) as seq from json_each(${json})
) as marks`;
/*
 * Participants are updated by an insertion whose every row conflicts: it finds each by the primary key. `UPDATE … FROM` lets
 * SQLite choose the order of the tables.
 */
const updateDelivered = statement(
  (p: Params<InConversation & { marks: string }>) => sql<{ user_id: string }>`
    insert into conversation_participants (conversation_id, user_id, last_delivered_seq)
    select p.conversation_id, p.user_id, marks.seq from ${marksOf(p.marks)}
    cross join conversation_participants as p on p.conversation_id = ${p.conversationId} and p.user_id = marks.user_id
    where +p.last_delivered_seq < marks.seq
    on conflict (conversation_id, user_id) do update set last_delivered_seq = excluded.last_delivered_seq
    returning user_id`,
);
const advanceInboxRevs = statement(
  (p: Params<{ marks: string }>) => sql<never>`
    insert into comm_users (user_id, inbox_rev) select marks.user_id, 1 from ${marksOf(p.marks)} where true
    on conflict (user_id) do update set inbox_rev = comm_users.inbox_rev + 1`,
);
const updateRead = statement(
  (p: Params<InConversation & { marks: string; now: string }>) => sql<never>`
    insert into conversation_participants
      (conversation_id, user_id, last_read_seq, last_read_at, last_delivered_seq, inbox_rev, read_inbox_rev)
    select p.conversation_id, p.user_id, marks.seq, ${p.now}, max(p.last_delivered_seq, marks.seq), u.inbox_rev, u.inbox_rev
    from ${marksOf(p.marks)}
    cross join conversation_participants as p on p.conversation_id = ${p.conversationId} and p.user_id = marks.user_id
    cross join comm_users as u on u.user_id = p.user_id
    where true
    on conflict (conversation_id, user_id) do update set
      last_read_seq = excluded.last_read_seq,
      last_read_at = excluded.last_read_at,
      last_delivered_seq = excluded.last_delivered_seq,
      inbox_rev = excluded.inbox_rev,
      read_inbox_rev = excluded.read_inbox_rev`,
);
const insertReceipts = statement(
  (p: Params<{ receipts: string; now: string }>) => sql<never>`
    insert into read_receipts (message_id, user_id, read_at)
    select cast(value ->> 0 as bigint), value ->> 1, ${p.now} from json_each(${p.receipts}) where true
    on conflict do nothing`,
);

const selectUnread = statement(
  (p: Params<InConversation & { userIds: string }>) => sql<UnreadColumns & { user_id: string }>`
    select p.user_id, ${unreadColumns}
    from ${participantsOf(p.conversationId, p.userIds)}`,
);

/** Returns what is unread for members, by user. */
export function* unreadStatesOf(
  conversationId: string,
  userIds: readonly string[],
): Work<ReadonlyMap<string, UnreadState & { unreadCount: number }>> {
  const rows = yield* all(selectUnread({ conversationId, userIds: JSON.stringify(userIds) }));
  return new Map(rows.map((row) => [row.user_id, toUnreadState(row)]));
}

/** Returns the lowest markers. */
export function* slowestMarkers(conversationId: string): Work<Slowest> {
  const rows = yield* all(selectSlowest({ conversationId }));
  return { read: rows.filter((row) => row.is_read === 1), delivered: rows.filter((row) => row.is_read === 0) };
}

/** Returns the lowest marker of all users but `userId`; 0 if there are none. */
export function slowestOther(userId: string, slowest: SlowestMarkers): number {
  return slowest.find((each) => each.user_id !== userId)?.mark ?? 0;
}

/** Returns the markers of those of the users who are members, by user. */
export function* markersOf(conversationId: string, userIds: readonly string[]): Work<ReadonlyMap<string, MarkersRow>> {
  const rows = yield* all(selectMarkers({ conversationId, userIds: JSON.stringify(userIds) }));
  return new Map(rows.map((row) => [row.user_id, row]));
}

/** Returns the messages of a conversation with these decimal ids, by id. */
export function* namedMessages(conversationId: string, ids: readonly number[]): Work<ReadonlyMap<number, NamedRow>> {
  if (ids.length === 0) return new Map();
  const rows = yield* all(selectNamed({ conversationId, ids: JSON.stringify(ids) }));
  return new Map(rows.map((row) => [row.id, row]));
}

/**
 * Advances the delivery markers of members, with one statement. Markers never move back.
 *
 * @param marks - the new markers by user
 * @returns whether any moved
 */
export function* advanceDeliveryMarkers(conversationId: string, marks: ReadonlyMap<string, number>): Work<boolean> {
  const moved = yield* all(updateDelivered({ conversationId, marks: JSON.stringify([...marks]) }));
  return moved.length > 0;
}

/** Sets read markers, which must be behind the new ones, and advances the delivery markers with them. */
export function* advanceReadMarkers(
  conversationId: string,
  marks: ReadonlyMap<string, number>,
  now: string,
): Work<void> {
  const json = JSON.stringify([...marks]);
  yield* run(advanceInboxRevs({ marks: json }));
  yield* run(updateRead({ conversationId, marks: json, now }));
}

const updateOwn = statement(
  (p: Params<InConversation & { marks: string }>) => sql<never>`
    insert into conversation_participants (conversation_id, user_id, own_read_seq, inbox_rev, read_inbox_rev)
    select p.conversation_id, p.user_id, iif(marks.seq < p.last_read_seq, marks.seq, null), u.inbox_rev, u.inbox_rev
    from ${marksOf(p.marks)}
    cross join conversation_participants as p on p.conversation_id = ${p.conversationId} and p.user_id = marks.user_id
    cross join comm_users as u on u.user_id = p.user_id
    where true
    on conflict (conversation_id, user_id) do update set
      own_read_seq = excluded.own_read_seq,
      inbox_rev = excluded.inbox_rev,
      read_inbox_rev = excluded.read_inbox_rev`,
);

/**
 * Sets the users' own read positions, which others don't see. A position that isn't before the read marker ends the effect of an
 * earlier one. Records for the users' other devices that something changed.
 */
export function* setOwnPositions(conversationId: string, marks: ReadonlyMap<string, number>): Work<void> {
  const json = JSON.stringify([...marks]);
  yield* run(advanceInboxRevs({ marks: json }));
  yield* run(updateOwn({ conversationId, marks: json }));
}

/** Stores the receipt rows that LumenJS reads. The first time is kept. @param receipts - ids of messages and readers */
export function* storeReceipts(
  receipts: readonly (readonly [messageId: number, userId: string])[],
  now: string,
): Work<void> {
  if (receipts.length > 0) yield* run(insertReceipts({ receipts: JSON.stringify(receipts), now }));
}
