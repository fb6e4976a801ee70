import { sql } from 'kysely';
import type { Conversation } from '../../protocol/conversations.ts';
import { takeInboxRev } from './counters.ts';
import { unreadCount } from './marks.ts';
import { participantRows } from './members.ts';
import { MESSAGE_COLUMNS } from './messages.ts';
import { isoTime, participantFrom, type MessageRow } from './rows.ts';
import { listed, query, statement, type Params } from './statement.ts';
import { all, first, run, type Work } from './work.ts';
import { viewMessages } from './views.ts';
import type { ConversationType } from '../../protocol/vocabulary.ts';

const selectPage = statement((p: Params<{ userId: string; limit: number; offset: number }>) =>
  query
    .selectFrom('conversation_participants as p')
    .innerJoin('conversations as c', 'c.id', 'p.conversation_id')
    .select('c.id')
    .where('p.user_id', '=', p.userId)
    .orderBy(sql`replace(c.updated_at, ' ', 'T')`, 'desc')
    .orderBy('c.id')
    .limit(p.limit)
    .offset(p.offset),
);

interface ConversationRow {
  id: string;
  type: string;
  name: string | null;
  created_at: string;
  updated_at: string;
  seq: number;
  rev: number;
  // A column that an app made may hold nulls.
  muted: number | null;
  pinned: number | null;
  archived: number | null;
  flags_inbox_rev: number;
  unread: number;
}
/** `cross join`, so that the page decides what is read and not all that the user has. */
const selectRows = statement(
  (p: Params<{ userId: string; ids: string }>) => sql<ConversationRow>`
    select c.id, c.type, c.name, c.created_at, c.updated_at, c.seq, c.rev, p.muted, p.pinned, p.archived,
      p.flags_inbox_rev, ${unreadCount} as unread
    from json_each(${p.ids}) as wanted
    cross join conversation_participants as p on p.conversation_id = wanted.value and p.user_id = ${p.userId}
    join conversations as c on c.id = p.conversation_id
    order by wanted.key`,
);
const selectLastMessages = statement((p: Params<{ ids: string }>) =>
  query
    .selectFrom('conversations as c')
    .innerJoin('messages', (join) =>
      join.onRef('messages.conversation_id', '=', 'c.id').onRef('messages.seq', '=', 'c.seq'),
    )
    .select(MESSAGE_COLUMNS)
    .$narrowType<{ seq: number; rev: number }>()
    .where('c.id', 'in', listed(p.ids)),
);

/** The user's conversations, the one with the newest message first. */
export function* conversationPage(userId: string, limit: number, offset: number): Work<Conversation[]> {
  const page = yield* all(selectPage({ userId, limit, offset }));
  return yield* viewConversations(
    userId,
    page.map(({ id }) => id),
  );
}

/**
 * Conversations as one of their people sees them, in the given order; those the user isn't in are left out. However
 * many there are, it is one statement per concern. Presence is left for whoever knows it.
 */
export function* viewConversations(userId: string, ids: readonly string[]): Work<Conversation[]> {
  if (ids.length === 0) return [];
  const rows = yield* all(selectRows({ userId, ids: JSON.stringify(ids) }));
  const people = yield* participantRows(rows.map(({ id }) => id));
  const lastRows: readonly MessageRow[] = yield* all(
    selectLastMessages({ ids: JSON.stringify(rows.map(({ id }) => id)) }),
  );
  const lastMessages = new Map((yield* viewMessages(lastRows, people)).map((each) => [each.conversationId, each]));
  return rows.map((row) => {
    const lastMessage = lastMessages.get(row.id);
    return {
      id: row.id,
      type: conversationType(row.type),
      ...(row.name !== null && { name: row.name }),
      participants: (people.get(row.id) ?? []).map(participantFrom),
      ...(lastMessage && { lastMessage }),
      createdAt: isoTime(row.created_at),
      updatedAt: isoTime(row.updated_at),
      unreadCount: row.unread,
      pinned: row.pinned === 1,
      muted: row.muted === 1,
      archived: row.archived === 1,
      flagsRev: row.flags_inbox_rev,
      head: { seq: row.seq, rev: row.rev },
    };
  });
}

/** Undefined when there is no such conversation or the user isn't in it. */
export function* viewConversation(userId: string, id: string): Work<Conversation | undefined> {
  return (yield* viewConversations(userId, [id]))[0];
}

function conversationType(type: string): ConversationType {
  return type === 'direct' ? 'direct' : 'group';
}

// Changes

const selectDirect = statement(
  (p: Params<{ one: string; other: string }>) =>
    sql<{ id: string }>`select id from conversations where direct_key = ${directKey(p)}`,
);
const insertDirect = statement(
  (p: Params<{ id: string; one: string; other: string; now: string }>) => sql<never>`
    insert into conversations (id, type, created_at, updated_at, direct_key)
    values (${p.id}, 'direct', ${p.now}, ${p.now}, ${directKey(p)})`,
);
const insertGroup = statement((p: Params<{ id: string; name: string | null; now: string }>) =>
  query
    .insertInto('conversations')
    .values({ id: p.id, type: 'group', name: p.name, created_at: p.now, updated_at: p.now }),
);
const updateName = statement((p: Params<{ id: string; name: string }>) =>
  query
    .updateTable('conversations')
    .set((each) => ({ name: p.name, rev: each('rev', '+', 1) }))
    .where('id', '=', p.id),
);
const selectFlags = statement((p: Params<{ id: string; userId: string }>) =>
  query
    .selectFrom('conversation_participants')
    .select(['muted', 'pinned', 'archived'])
    .where('conversation_id', '=', p.id)
    .where('user_id', '=', p.userId),
);
const updateFlags = statement(
  (p: Params<{ id: string; userId: string; muted: number; pinned: number; archived: number; inboxRev: number }>) =>
    query
      .updateTable('conversation_participants')
      .set({
        muted: p.muted,
        pinned: p.pinned,
        archived: p.archived,
        inbox_rev: p.inboxRev,
        flags_inbox_rev: p.inboxRev,
      })
      .where('conversation_id', '=', p.id)
      .where('user_id', '=', p.userId),
);

/** In SQL, so that the order of the two is the same here as in the migration and its triggers. */
function directKey(p: Params<{ one: string; other: string }>): ReturnType<typeof sql<string>> {
  return sql<string>`json_array(min(${p.one}, ${p.other}), max(${p.one}, ${p.other}))`;
}

/** The direct conversation of two people, whoever made it. */
export function* findDirect(one: string, other: string): Work<string | undefined> {
  return (yield* first(selectDirect({ one, other })))?.id;
}

export function* createDirect(id: string, one: string, other: string, now: string): Work<void> {
  yield* run(insertDirect({ id, one, other, now }));
}

export function* createGroup(id: string, name: string | undefined, now: string): Work<void> {
  yield* run(insertGroup({ id, name: name ?? null, now }));
}

/** Moves `rev` as well. */
export function* rename(id: string, name: string): Work<void> {
  yield* run(updateName({ id, name }));
}

export type Flag = 'muted' | 'pinned' | 'archived';

/** A flag is the user's own. The `flagsRev` it now has, 0 where nothing changed; undefined for somebody who isn't in it. */
export function* setFlag(id: string, userId: string, flag: Flag, on: boolean): Work<number | undefined> {
  const flags = yield* first(selectFlags({ id, userId }));
  if (flags === undefined) return undefined;
  if ((flags[flag] === 1) === on) return 0;
  const inboxRev = yield* takeInboxRev(userId);
  yield* run(updateFlags({ id, userId, ...flags, [flag]: on ? 1 : 0, inboxRev }));
  return inboxRev;
}
