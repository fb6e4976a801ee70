import { sql } from 'kysely';
import type { Head } from '../../../protocol/conversations.ts';
import type { ReadMarker } from '../../../protocol/receipts.ts';
import { MESSAGE_COLUMNS, messageRows } from './messages.ts';
import { toUnreadState, unreadColumns, type UnreadColumns } from './threads/unread-state.ts';
import { isoTime, type MessageRow } from './rows.ts';
import { onlyPostgres, query, statement, type Params } from '../engine/statement.ts';
import { all, first, type Work } from '../engine/work.ts';

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
interface JoinedRow {
  joined_inbox_rev: number;
  joined_seq: number | null;
  joined_rev: number | null;
}
interface HeadRow {
  id: string;
  seq: number;
  rev: number;
  members_changed_rev: number;
}
/** `cross join`, so that the query starts from the cursors and not from all conversations of the user. */
const selectFollowed = statement(
  (p: Params<{ userId: string; cursors: string; limit: number; all: number }>) => sql<HeadRow & { cursor: number }>`
    select c.id, cast(mine.value ->> 1 as bigint) as cursor, c.seq, c.rev, c.members_changed_rev
    from json_each(${p.cursors}) as mine
    cross join conversation_participants as p
      on p.conversation_id = mine.value ->> 0 and p.user_id = ${p.userId}
    join conversations as c on c.id = p.conversation_id
    where ${p.all} = 1 or c.rev <> cast(mine.value ->> 1 as bigint)
    order by replace(c.updated_at, ' ', 'T') desc
    limit ${p.limit}`,
);
const selectOthers = statement(
  (p: Params<{ userId: string; cursors: string; limit: number }>) => sql<HeadRow & JoinedRow>`
    select c.id, c.seq, c.rev, c.members_changed_rev, p.joined_inbox_rev, p.joined_seq, p.joined_rev
    from conversation_participants as p join conversations as c on c.id = p.conversation_id
    where p.user_id = ${p.userId} and c.id not in (select value ->> 0 from json_each(${p.cursors}))
    order by replace(c.updated_at, ' ', 'T') desc, c.id
    limit ${p.limit}`,
);
const selectLost = statement(
  (p: Params<{ userId: string; cursors: string; limit: number }>) => sql<{ id: string }>`
    select mine.value ->> 0 as id from json_each(${p.cursors}) as mine
    where not exists (
      select 1 from conversation_participants where conversation_id = mine.value ->> 0 and user_id = ${p.userId}
    ) limit ${p.limit}`,
);
const selectHeadPage = statement(
  (p: Params<{ userId: string; after: string; limit: number }>) => sql<
    HeadRow & JoinedRow & { flags_inbox_rev: number; read_inbox_rev: number }
  >`
    select c.id, c.seq, c.rev, c.members_changed_rev, p.joined_inbox_rev, p.joined_seq, p.joined_rev, p.flags_inbox_rev,
      p.read_inbox_rev
    from conversation_participants as p join conversations as c on c.id = p.conversation_id
    where p.user_id = ${p.userId} and p.conversation_id > ${p.after}
    order by p.conversation_id limit ${p.limit}`,
);
const selectInboxNews = statement(
  (p: Params<{ userId: string; after: number; limit: number }>) => sql<
    HeadRow &
      JoinedRow & {
        read_inbox_rev: number;
        flags_inbox_rev: number;
        last_read_seq: number;
        last_read_at: string | null;
      } & UnreadColumns
  >`
    select c.id, c.seq, c.rev, c.members_changed_rev, p.joined_inbox_rev, p.joined_seq, p.joined_rev, p.read_inbox_rev,
      p.flags_inbox_rev, p.last_read_seq, p.last_read_at, ${unreadColumns}
    from conversation_participants as p join conversations as c on c.id = p.conversation_id
    where p.user_id = ${p.userId} and p.inbox_rev > ${p.after}
    order by p.inbox_rev desc limit ${p.limit}`,
);
const selectDepartures = statement((p: Params<{ userId: string; after: number; limit: number }>) =>
  query
    .selectFrom('comm_departures')
    .select('conversation_id')
    .where('user_id', '=', p.userId)
    .where('inbox_rev', '>', p.after)
    .orderBy('inbox_rev', 'desc')
    .limit(p.limit),
);
const BEYOND = Number.MAX_SAFE_INTEGER;
/**
 * Returns the earliest `each` changes of every conversation: those before the change at that offset. A row that changed
 * often has only its last revision, so a range of revisions may contain no row. `cross join` preserves the order of the
 * cursors.
 */
const selectChangedOfMany = statement(
  (p: Params<{ cursors: string; each: number; limit: number }>) => sql<MessageRow>`
    select ${sql.join(MESSAGE_COLUMNS.map((column) => sql.ref(column)))}
    from json_each(${p.cursors}) as mine
    cross join messages on messages.conversation_id = mine.value ->> 0
      and messages.rev > cast(mine.value ->> 1 as bigint)
      and messages.rev < coalesce((
        select later.rev from messages as later
        where later.conversation_id = mine.value ->> 0 and later.rev > cast(mine.value ->> 1 as bigint)
        order by later.rev limit 1 offset ${p.each}
      ), ${BEYOND})
    ${onlyPostgres('order by mine.key, messages.rev')} limit ${p.limit}`,
);

/** Returns the current rows that changed after a revision, ordered by revision. */
export function* changedRows(conversationId: string, after: number, limit: number): Work<readonly MessageRow[]> {
  return yield* all(selectChanged({ conversationId, after, limit }));
}

/** Returns whether more than `limit` rows changed after a revision. */
export function* moreChangedThan(limit: number, conversationId: string, after: number): Work<boolean> {
  const row = yield* first(countChanged({ conversationId, after, limit: limit + 1 }));
  return (row?.changed ?? 0) > limit;
}

/**
 * Returns {@link changedRows} of several conversations, in the order of their cursors. When `total` rows are reached,
 * the current conversation and all following ones are listed in `cut` and get no rows.
 */
export function* changedRowsByConversation(
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

/** The positions of a conversation. */
export interface ConversationHead {
  readonly id: string;
  readonly head: Head;
  /** The `rev` of the last change of the members. */
  readonly membersChangedRev: number;
}

/** A conversation with the client's cursor. */
export interface FollowedConversation extends ConversationHead {
  readonly cursor: number;
}

/** Positions of a client by conversation id. */
export type Cursors = Readonly<Record<string, number>>;

/** The cursors as a parameter of statements. Written once, because thousands take milliseconds. */
export interface CursorList {
  readonly json: string;
}

/** Returns the pairs of id and position as JSON. An id such as `__proto__` is an ordinary one. */
export function cursorList(cursors: Cursors): CursorList {
  return { json: JSON.stringify(Object.entries(cursors)) };
}

/**
 * Returns the user's conversations among the cursors, newest activity first: those whose revision differs from the
 * cursor, or all.
 */
export function* followedConversations(
  userId: string,
  { json: cursors }: CursorList,
  limit: number,
  { unchanged = false }: { unchanged?: boolean } = {},
): Work<FollowedConversation[]> {
  const rows = yield* all(selectFollowed({ userId, cursors, limit, all: unchanged ? 1 : 0 }));
  return rows.map((row) => ({ ...toHead(row), cursor: row.cursor }));
}

/** A conversation with the position at which the user joined it. */
export interface OtherConversation extends ConversationHead {
  /** `undefined` for members who joined before it was recorded. */
  readonly joinedAt: Head | undefined;
  readonly joinedInboxRev: number;
}

/** Returns the user's conversations that are not among the cursors, newest activity first. */
export function* otherConversations(
  userId: string,
  { json: cursors }: CursorList,
  limit: number,
): Work<OtherConversation[]> {
  const rows = yield* all(selectOthers({ userId, cursors, limit }));
  return rows.map((row) => ({ ...toHead(row), ...toJoined(row) }));
}

/** Returns cursors of conversations in which the user isn't a member. */
export function* lostConversations(userId: string, { json: cursors }: CursorList, limit: number): Work<string[]> {
  return (yield* all(selectLost({ userId, cursors, limit }))).map(({ id }) => id);
}

/** A conversation in a page of all. */
export interface PagedConversation extends OtherConversation {
  /** Inbox revision of the last change of the user's flags or read marker. */
  readonly ownInboxRev: number;
}

/** Returns a page of all conversations of the user, ordered by id. */
export function* headPage(userId: string, after: string, limit: number): Work<PagedConversation[]> {
  const rows = yield* all(selectHeadPage({ userId, after, limit }));
  return rows.map((row) => ({
    ...toHead(row),
    ...toJoined(row),
    ownInboxRev: Math.max(row.flags_inbox_rev, row.read_inbox_rev),
  }));
}

/** Changes that concern one user, of a limited number of conversations. */
export interface InboxChanges {
  readonly joined: OtherConversation[];
  readonly reads: ReadMarker[];
  readonly flagged: ConversationHead[];
  readonly left: string[];
  /** Whether more conversations have such changes. Departures beyond the limit are omitted without notice. */
  readonly hasMore: boolean;
}

/** Returns the changes that concern only this user after an inbox revision, the newest if there are too many. */
export function* inboxChanges(userId: string, after: number, limit: number): Work<InboxChanges> {
  const changes = { joined: [], reads: [], flagged: [], left: [] } as Omit<InboxChanges, 'hasMore'>;
  const rows = yield* all(selectInboxNews({ userId, after, limit: limit + 1 }));
  for (const row of rows.slice(0, limit)) {
    const conversationId = row.id;
    if (row.joined_inbox_rev > after) {
      changes.joined.push({ ...toHead(row), ...toJoined(row) });
      continue;
    }
    const { last_read_seq: lastReadSeq, last_read_at: at } = row;
    const readAt = at === null ? {} : { readAt: isoTime(at) };
    if (row.read_inbox_rev > after)
      changes.reads.push({ conversationId, lastReadSeq, ...readAt, ...toUnreadState(row) });
    if (row.flags_inbox_rev > after) changes.flagged.push(toHead(row));
  }
  for (const row of yield* all(selectDepartures({ userId, after, limit }))) changes.left.push(row.conversation_id);
  return { ...changes, hasMore: rows.length > limit };
}

function toHead({ id, seq, rev, members_changed_rev: membersChangedRev }: HeadRow): ConversationHead {
  return { id, head: { seq, rev }, membersChangedRev };
}

function toJoined({
  joined_seq: seq,
  joined_rev: rev,
  joined_inbox_rev: joinedInboxRev,
}: JoinedRow): Pick<OtherConversation, 'joinedAt' | 'joinedInboxRev'> {
  return { joinedAt: seq === null || rev === null ? undefined : { seq, rev }, joinedInboxRev };
}
