import { sql, type RawBuilder } from 'kysely';
import type { FollowedThread, UnreadState } from '../../../../protocol/threads.ts';

/*
 * SQL about what is unread for the participant `p` of the conversation `c`, both of which must be in scope. Each part costs a
 * bounded number of index seeks and rows, however many messages, threads and mentions there are.
 */

/** Messages after the read position among which the first unread one is searched. */
const MAX_FIRST_UNREAD = 1_000;
/** Unread mentions that are counted. */
const MAX_MENTIONS = 1_000;
/** Threads of a conversation, those with the newest replies, of which is known whether they are unread. */
const MAX_THREADS = 100;
const BEYOND = sql.lit(Number.MAX_SAFE_INTEGER);

/** Position up to which the user has read: the read marker, unless the user has moved their own position back. */
export const readSeq = sql<number>`coalesce(p.own_read_seq, p.last_read_seq)`;

/** Number of messages of the main timeline that the participant had sent when the conversation was at `seq`. */
const ownUpTo = (seq: RawBuilder<number>): RawBuilder<number> => sql<number>`coalesce((
  select m.sender_seq from messages as m
  where m.conversation_id = c.id and m.sender_id = p.user_id and m.seq <= ${seq} order by m.seq desc limit 1
), 0)`;

/**
 * Exact unread count of the main timeline without counting unread messages: all after the read position, minus the replies
 * that are in threads only (one seek), minus the user's own (two seeks), minus those deleted by others (a short range).
 */
export const unreadCount = sql<number>`(
  c.seq - ${readSeq}
  - case when c.side_seq = 0 then 0 else c.side_seq - coalesce((
      select m.side_seq from messages as m where m.conversation_id = c.id and m.seq <= ${readSeq} order by m.seq desc limit 1
    ), 0) end
  - (${ownUpTo(sql<number>`c.seq`)} - ${ownUpTo(readSeq)})
  - (select count(*) from messages as m
      where m.conversation_id = c.id and m.seq > ${readSeq} and m.deleted_at is not null and m.side = 0
        and m.sender_id <> p.user_id)
)`;

const firstUnreadIn = (range: RawBuilder<unknown>): RawBuilder<unknown> => sql`(
  select coalesce(public_id, cast(id as text)) from (
    select m.id, m.public_id, m.sender_id, m.deleted_at from messages as m
    where m.conversation_id = c.id and m.seq > ${readSeq} and ${range} order by m.seq limit ${sql.lit(MAX_FIRST_UNREAD)}
  ) where sender_id <> p.user_id and deleted_at is null limit 1
)`;
const firstUnread = sql<string | null>`coalesce(
  ${firstUnreadIn(sql`m.seq < coalesce(c.side_start, ${BEYOND})`)},
  ${firstUnreadIn(sql`m.side = 0 and m.side_seq > 0`)}
)`;

const mentionsIn = (range: RawBuilder<unknown>): RawBuilder<unknown> => sql`(select count(*) from (
  select 1 from comm_mentions as x where x.user_id = p.user_id and x.conversation_id = c.id and ${range}
  limit ${sql.lit(MAX_MENTIONS)}
))`;
/** The rows of replies in threads are deleted when the thread is read. */
const mentions = sql<number>`min(${sql.lit(MAX_MENTIONS)},
  ${mentionsIn(sql`x.root_id = 0 and x.seq > ${readSeq}`)}
  + ${mentionsIn(sql`x.root_id > 0 and x.seq > coalesce(p.joined_seq, 0)`)}
)`;

/** JSON of the followed threads. The reply that makes a thread unread is searched only if the thread has any after the position. */
export const followed = sql<string>`(
  select json_group_array(json_object('id', wire_id, 'unread', json(iif(last_seq > read_seq and exists (
    select 1 from messages as m
    where m.thread_id = wire_id and m.seq > read_seq and m.deleted_at is null and m.sender_id <> p.user_id
  ), 'true', 'false')))) from (
    select coalesce(r.public_id, cast(r.id as text)) as wire_id, last_seq, max(f.read_seq, coalesce(p.joined_seq, 0)) as read_seq
    from (
      select root_id as thread_root, last_seq from comm_threads where conversation_id = c.id
      order by last_seq desc limit ${sql.lit(MAX_THREADS)}
    )
    cross join comm_thread_follows as f
      on f.user_id = p.user_id and f.conversation_id = c.id and f.root_id = thread_root
    cross join messages as r on r.id = thread_root
  )
)`;

/** The columns of {@link UnreadColumns}. */
export const unreadColumns = sql`${unreadCount} as unread, ${mentions} as unread_mentions, ${firstUnread} as first_unread,
  ${followed} as followed, ${readSeq} as read_seq`;

/** What is unread, as it is read. */
export interface UnreadColumns {
  readonly unread: number;
  readonly unread_mentions: number;
  readonly first_unread: string | null;
  /** JSON. */
  readonly followed: string;
  readonly read_seq: number;
}

/** Converts columns to the fields of a conversation. */
export function toUnreadState(row: UnreadColumns): UnreadState & { unreadCount: number } {
  const followedThreads = row.followed === '[]' ? [] : (JSON.parse(row.followed) as FollowedThread[]);
  return {
    unreadCount: row.unread,
    unreadMentions: row.unread_mentions,
    unreadThreads: followedThreads.filter(({ unread }) => unread).length,
    ...(followedThreads.length > 0 && { followedThreads }),
    ...(row.first_unread !== null && row.unread > 0 && { firstUnreadId: row.first_unread }),
    readSeq: row.read_seq,
  };
}
