import { sql } from 'kysely';
import type { Conversation } from '../../../protocol/conversations.ts';
import { takeInboxRev } from './counters.ts';
import { SETTINGS_COLUMNS, toSettings, type SettingsRow } from './groups/settings.ts';
import { slowestOther } from './receipts.ts';
import { lastMainSeq } from './threads/main-timeline.ts';
import { ownFlagsRev } from './own-flags.ts';
import { toUnreadState, unreadColumns, type UnreadColumns } from './threads/unread-state.ts';
import { listedMembers, type ListedMembers } from './members.ts';
import { MESSAGE_COLUMNS } from './messages.ts';
import { isoTime, toParticipant, type MessageRow } from './rows.ts';
import { listed, query, statement, type Params } from '../engine/statement.ts';
import { all, first, run, type Work } from '../engine/work.ts';
import { mapMessages } from './message-mapper.ts';
import type { ConversationType } from '../../../protocol/constants.ts';

interface ConversationRow extends SettingsRow, UnreadColumns {
  id: string;
  type: string;
  name: string | null;
  created_at: string;
  updated_at: string;
  seq: number;
  rev: number;
  members_rev: number;
  // Columns that an app created may contain null.
  muted: number | null;
  pinned: number | null;
  archived: number | null;
  flags_rev: number;
}
/** `cross join`, so that the query starts from the requested ids and not from all conversations of the user. */
const selectRows = statement(
  (p: Params<{ userId: string; ids: string }>) => sql<ConversationRow>`
    select c.id, c.type, c.name, c.created_at, c.updated_at, c.seq, c.rev, c.members_rev, p.muted, p.pinned, p.archived,
      ${ownFlagsRev} as flags_rev, ${unreadColumns}, ${SETTINGS_COLUMNS}
    from json_each(${p.ids}) as wanted
    cross join conversation_participants as p on p.conversation_id = wanted.value and p.user_id = ${p.userId}
    join conversations as c on c.id = p.conversation_id
    order by wanted.key`,
);
const selectLastMessages = statement((p: Params<{ ids: string }>) =>
  query
    .selectFrom('conversations as c')
    .innerJoin('messages', (join) =>
      join.onRef('messages.conversation_id', '=', 'c.id').on('messages.seq', '=', lastMainSeq),
    )
    .select(MESSAGE_COLUMNS)
    .$narrowType<{ seq: number; rev: number }>()
    .where('c.id', 'in', listed(p.ids)),
);

/**
 * Returns conversations as the user sees them, in the given order. Conversations in which the user isn't a member are
 * omitted. The number of statements doesn't depend on the number of conversations. Presence is not filled in.
 *
 * @param given - the listed participants, if they have been read
 */
export function* loadConversations(
  userId: string,
  ids: readonly string[],
  given?: ReadonlyMap<string, ListedMembers>,
): Work<Conversation[]> {
  if (ids.length === 0) return [];
  const rows = yield* all(selectRows({ userId, ids: JSON.stringify(ids) }));
  const people =
    given ??
    (yield* listedMembers(
      rows.map(({ id }) => id),
      userId,
    ));
  const lastRows: readonly MessageRow[] = yield* all(
    selectLastMessages({ ids: JSON.stringify(rows.map(({ id }) => id)) }),
  );
  const lastMessages = new Map((yield* mapMessages(lastRows, people)).map((each) => [each.conversationId, each]));
  return rows.map((row) => {
    const lastMessage = lastMessages.get(row.id);
    const members = people.get(row.id);
    return {
      id: row.id,
      type: conversationType(row.type),
      ...(row.name !== null && { name: row.name }),
      ...toSettings(row.type, row),
      participants: (members?.rows ?? []).map(toParticipant),
      memberCount: members?.count ?? 0,
      membersRev: row.members_rev,
      ...(members?.slowest && {
        reached: {
          delivered: slowestOther(userId, members.slowest.delivered),
          read: slowestOther(userId, members.slowest.read),
        },
      }),
      ...(lastMessage && { lastMessage }),
      createdAt: isoTime(row.created_at),
      updatedAt: isoTime(row.updated_at),
      ...toUnreadState(row),
      pinned: row.pinned === 1,
      muted: row.muted === 1,
      archived: row.archived === 1,
      flagsRev: row.flags_rev,
      head: { seq: row.seq, rev: row.rev },
    };
  });
}

/** Returns a conversation, or `undefined` if it doesn't exist or the user isn't a member. */
export function* loadConversation(userId: string, id: string): Work<Conversation | undefined> {
  return (yield* loadConversations(userId, [id]))[0];
}

/** Parses the type of a conversation. */
export function conversationType(type: string): ConversationType {
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
const insertGroup = statement((p: Params<{ id: string; name: string | null; now: string } & NewGroup>) =>
  query.insertInto('conversations').values({
    id: p.id,
    type: 'group',
    name: p.name,
    created_at: p.now,
    updated_at: p.now,
    description: p.description,
    avatar_url: p.avatar_url,
    metadata: p.metadata,
    visibility: p.visibility,
  }),
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

/** Sorted in SQL, so that the order is the same as in the migration and its triggers. */
function directKey(p: Params<{ one: string; other: string }>): ReturnType<typeof sql<string>> {
  return sql<string>`json_array(min(${p.one}, ${p.other}), max(${p.one}, ${p.other}))`;
}

/** Returns the id of the pair's direct conversation. */
export function* findDirect(one: string, other: string): Work<string | undefined> {
  return (yield* first(selectDirect({ one, other })))?.id;
}

/** Inserts a direct conversation. Its members are added by `addMembers`. */
export function* createDirect(id: string, one: string, other: string, now: string): Work<void> {
  yield* run(insertDirect({ id, one, other, now }));
}

/** The settings with which a group can be created. */
type NewGroup = Pick<SettingsRow, 'description' | 'avatar_url' | 'metadata' | 'visibility'>;

/** Inserts a group. Its members are added by `addMembers`. */
export function* createGroup(id: string, name: string | undefined, settings: NewGroup, now: string): Work<void> {
  const { description, avatar_url, metadata, visibility } = settings;
  yield* run(insertGroup({ id, name: name ?? null, now, description, avatar_url, metadata, visibility }));
}

/** A flag that each member sets for themselves. */
export type Flag = 'muted' | 'pinned' | 'archived';

/** The flags of one member, as one state with a revision. */
export interface FlagState extends Readonly<Record<Flag, boolean>> {
  readonly flagsRev: number;
}

/**
 * Sets a flag of one member. @returns all flags after the change, `unchanged`, or `undefined` if the user isn't a member
 */
export function* setFlag(
  id: string,
  userId: string,
  flag: Flag,
  on: boolean,
): Work<FlagState | 'unchanged' | undefined> {
  const flags = yield* first(selectFlags({ id, userId }));
  if (flags === undefined) return undefined;
  if ((flags[flag] === 1) === on) return 'unchanged';
  const inboxRev = yield* takeInboxRev(userId);
  const next: typeof flags = { ...flags, [flag]: on ? 1 : 0 };
  yield* run(updateFlags({ id, userId, ...next, inboxRev }));
  const { archived, muted, pinned } = next;
  return { archived: archived === 1, muted: muted === 1, pinned: pinned === 1, flagsRev: inboxRev };
}
