import { sql } from 'kysely';
import { query, statement, type Params } from './statement.ts';
import { all, first, run, type Work } from './work.ts';
import { PRESENCE_STATUSES, type PresenceStatus } from '../../protocol/vocabulary.ts';

/** What is kept of a user's presence while they are away. */
export interface StoredPresence {
  /** Chosen by the user and not taken back. */
  chosen: PresenceStatus | undefined;
  lastSeen: string | undefined;
}

const presenceRow = statement((p: Params<{ userId: string }>) =>
  query.selectFrom('comm_users').select(['chosen_status', 'last_seen']).where('user_id', '=', p.userId),
);
const lastSeenRows = statement((p: Params<{ userIds: string }>) =>
  query
    .selectFrom('comm_users')
    .select(['user_id', 'last_seen'])
    .where('user_id', 'in', sql<string>`(select value from json_each(${p.userIds}))`),
);
const upsertChosen = statement((p: Params<{ userId: string; chosen: string | null }>) =>
  query
    .insertInto('comm_users')
    .values({ user_id: p.userId, chosen_status: p.chosen })
    .onConflict((conflict) => conflict.column('user_id').doUpdateSet({ chosen_status: p.chosen })),
);
const upsertLastSeen = statement((p: Params<{ userId: string; lastSeen: string }>) =>
  query
    .insertInto('comm_users')
    .values({ user_id: p.userId, last_seen: p.lastSeen })
    .onConflict((conflict) => conflict.column('user_id').doUpdateSet({ last_seen: p.lastSeen })),
);
const conversationRows = statement(
  (p: Params<{ userId: string }>) => sql<{ ids: string }>`
    select json_group_array(conversation_id) as ids from conversation_participants where user_id = ${p.userId}`,
);
const conversationAt = statement((p: Params<{ userId: string; offset: number }>) =>
  query
    .selectFrom('conversation_participants')
    .select('user_id')
    .where('user_id', '=', p.userId)
    .limit(1)
    .offset(p.offset),
);
/** Stops at the first conversation in common, for each of those asked about. */
const sharingRows = statement(
  (p: Params<{ userId: string; others: string }>) => sql<{ user_id: string }>`
    select value as user_id from json_each(${p.others})
    where exists (
      select 1 from conversation_participants as theirs
      join conversation_participants as ours
        on ours.conversation_id = theirs.conversation_id and ours.user_id = ${p.userId}
      where theirs.user_id = value
    )`,
);

const peerRows = statement(
  (p: Params<{ userId: string; limit: number }>) => sql<{ user_id: string }>`
    select distinct theirs.user_id from conversation_participants as ours
    join conversation_participants as theirs on theirs.conversation_id = ours.conversation_id
    where ours.user_id = ${p.userId} and theirs.user_id <> ${p.userId} limit ${p.limit}`,
);

export function* storedPresence(userId: string): Work<StoredPresence> {
  const row = yield* first(presenceRow({ userId }));
  return {
    chosen: PRESENCE_STATUSES.find((each) => each === row?.chosen_status),
    lastSeen: row?.last_seen ?? undefined,
  };
}

/** When each was last seen; whoever never was is missing. */
export function* lastSeenOf(userIds: readonly string[]): Work<ReadonlyMap<string, string>> {
  const rows = yield* all(lastSeenRows({ userIds: JSON.stringify(userIds) }));
  return new Map(rows.flatMap(({ user_id, last_seen }) => (last_seen === null ? [] : [[user_id, last_seen]])));
}

/** `undefined` takes the choice back. */
export function* keepChosenStatus(userId: string, chosen: PresenceStatus | undefined): Work<void> {
  yield* run(upsertChosen({ userId, chosen: chosen ?? null }));
}

export function* keepLastSeen(userId: string, lastSeen: string): Work<void> {
  yield* run(upsertLastSeen({ userId, lastSeen }));
}

/** One JSON text, because thousands of rows cost ten times as much. */
export function* conversationIdsOf(userId: string): Work<readonly string[]> {
  return JSON.parse((yield* first(conversationRows({ userId })))?.ids ?? '[]') as string[];
}

/** Whether the user is in more than `count` conversations, without looking at more of them. */
export function* hasMoreConversations(userId: string, count: number): Work<boolean> {
  return (yield* first(conversationAt({ userId, offset: count }))) !== undefined;
}

/** Those of `others` who share a conversation with the user. */
export function* sharingWith(userId: string, others: readonly string[]): Work<ReadonlySet<string>> {
  const rows = yield* all(sharingRows({ userId, others: JSON.stringify(others) }));
  return new Set(rows.map((row) => row.user_id));
}

/** Everybody who shares a conversation with the user, up to `limit` of them. */
export function* peersOf(userId: string, limit: number): Work<readonly string[]> {
  return (yield* all(peerRows({ userId, limit }))).map((row) => row.user_id);
}
