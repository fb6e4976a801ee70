import { sql } from 'kysely';
import type { Head } from '../../protocol/conversations.ts';
import type { ReadMark } from '../../protocol/marks.ts';
import { MESSAGE_COLUMNS, messageRows } from './messages.ts';
import { isoTime, type MessageRow } from './rows.ts';
import { query, statement, type Params } from './statement.ts';
import { all, first, type Work } from './work.ts';

const selectChanged = statement((p: Params<{ conversationId: string; after: number; limit: number }>) =>
  messageRows
    .where('messages.conversation_id', '=', p.conversationId)
    .where('messages.rev', '>', p.after)
    .orderBy('messages.rev')
    .limit(p.limit),
);
const countChanged = statement(
  (p: Params<{ conversationId: string; after: number; limit: number }>) => sql<{ changed: number }>`
    select count(*) as changed from (
      select 1 from messages where conversation_id = ${p.conversationId} and rev > ${p.after} limit ${p.limit}
    )`,
);
const selectBehind = statement(
  (p: Params<{ userId: string; cursors: string }>) => sql<{
    conversation_id: string;
    cursor: number;
    seq: number;
    rev: number;
  }>`
    select c.id as conversation_id, mine.value ->> 1 as cursor, c.seq, c.rev
    from json_each(${p.cursors}) as mine
    cross join conversation_participants as p
      on p.conversation_id = mine.value ->> 0 and p.user_id = ${p.userId}
    join conversations as c on c.id = p.conversation_id
    where c.rev <> mine.value ->> 1
    order by replace(c.updated_at, ' ', 'T') desc`,
);
const selectHeads = statement((p: Params<{ userId: string }>) =>
  query
    .selectFrom('conversation_participants as p')
    .innerJoin('conversations as c', 'c.id', 'p.conversation_id')
    .select(['c.id', 'c.seq', 'c.rev'])
    .where('p.user_id', '=', p.userId)
    .orderBy(sql`replace(c.updated_at, ' ', 'T')`, 'desc')
    .orderBy('c.id'),
);
const selectInboxNews = statement((p: Params<{ userId: string; after: number }>) =>
  query
    .selectFrom('conversation_participants')
    .select(['conversation_id', 'joined_inbox_rev', 'read_inbox_rev', 'flags_inbox_rev'])
    .select(['joined_seq', 'joined_rev', 'last_read_seq', 'last_read_at'])
    .where('user_id', '=', p.userId)
    .where('inbox_rev', '>', p.after),
);
const selectDepartures = statement((p: Params<{ userId: string; after: number }>) =>
  query
    .selectFrom('comm_departures')
    .select('conversation_id')
    .where('user_id', '=', p.userId)
    .where('inbox_rev', '>', p.after),
);
const BEYOND = Number.MAX_SAFE_INTEGER;
/**
 * Of every conversation its `each` earliest changes: those before the next one after them. A row that was changed often
 * stands at its last revision alone, so a span of revisions may be empty. `cross join` keeps the order of the cursors.
 */
const selectChangedOfMany = statement(
  (p: Params<{ cursors: string; each: number; limit: number }>) => sql<MessageRow>`
    select ${sql.join(MESSAGE_COLUMNS.map((column) => sql.ref(column)))}
    from json_each(${p.cursors}) as mine
    cross join messages on messages.conversation_id = mine.value ->> 0
      and messages.rev > mine.value ->> 1
      and messages.rev < coalesce((
        select later.rev from messages as later
        where later.conversation_id = mine.value ->> 0 and later.rev > mine.value ->> 1
        order by later.rev limit 1 offset ${p.each}
      ), ${BEYOND})
    limit ${p.limit}`,
);

/** Current rows changed after a revision, in the order of their revisions. */
export function* changedRows(conversationId: string, after: number, limit: number): Work<readonly MessageRow[]> {
  return yield* all(selectChanged({ conversationId, after, limit }));
}

/** Whether more than `limit` rows changed after a revision. */
export function* moreChangedThan(limit: number, conversationId: string, after: number): Work<boolean> {
  const row = yield* first(countChanged({ conversationId, after, limit: limit + 1 }));
  return (row?.changed ?? 0) > limit;
}

/**
 * As {@link changedRows} for many conversations at once, by their cursors in the order in which they matter. Where
 * `total` is reached, the conversation in hand and all after it are `cut`: they get none.
 */
export function* changedRowsOfMany(
  cursors: ReadonlyMap<string, number>,
  { each, total }: { each: number; total: number },
): Work<{ rows: readonly MessageRow[]; cut: ReadonlySet<string> }> {
  const json = JSON.stringify([...cursors]);
  const rows = yield* all(selectChangedOfMany({ cursors: json, each, limit: total + 1 }));
  const last = rows[total]?.conversation_id;
  if (last === undefined) return { rows, cut: new Set() };
  const ids = [...cursors.keys()];
  const cut = new Set(ids.slice(ids.indexOf(last)));
  return { rows: rows.filter((row) => !cut.has(row.conversation_id)), cut };
}

export interface Behind {
  readonly conversationId: string;
  readonly cursor: number;
  readonly head: Head;
}

/** The user's conversations whose revision isn't the cursor's, newest activity first. */
export function* conversationsBehind(userId: string, cursors: Readonly<Record<string, number>>): Work<Behind[]> {
  const rows = yield* all(selectBehind({ userId, cursors: JSON.stringify(Object.entries(cursors)) }));
  return rows.map(({ conversation_id: conversationId, cursor, seq, rev }) => ({
    conversationId,
    cursor,
    head: { seq, rev },
  }));
}

/** The heads of all the user's conversations, newest activity first. */
export function* headsOf(userId: string): Work<ReadonlyMap<string, Head>> {
  return new Map((yield* all(selectHeads({ userId }))).map(({ id, seq, rev }) => [id, { seq, rev }]));
}

export interface InboxNews {
  /** And where it stood then; unknown for who joined before that was written down. */
  readonly joined: Map<string, Head | undefined>;
  readonly reads: Omit<ReadMark, 'unreadCount'>[];
  readonly flagged: string[];
  readonly left: string[];
}

/** What changed for this user alone after an inbox revision. */
export function* inboxNews(userId: string, after: number): Work<InboxNews> {
  const news: InboxNews = { joined: new Map(), reads: [], flagged: [], left: [] };
  for (const row of yield* all(selectInboxNews({ userId, after }))) {
    const conversationId = row.conversation_id;
    if (row.joined_inbox_rev > after) {
      const { joined_seq: seq, joined_rev: rev } = row;
      news.joined.set(conversationId, seq === null || rev === null ? undefined : { seq, rev });
      continue;
    }
    const { last_read_seq: lastReadSeq, last_read_at: at } = row;
    const readAt = at === null ? {} : { readAt: isoTime(at) };
    if (row.read_inbox_rev > after) news.reads.push({ conversationId, lastReadSeq, ...readAt });
    if (row.flags_inbox_rev > after) news.flagged.push(conversationId);
  }
  for (const row of yield* all(selectDepartures({ userId, after }))) news.left.push(row.conversation_id);
  return news;
}
