import { sql } from 'kysely';
import { query, statement, type Params } from '../engine/statement.ts';
import { all, first, run, type Work } from '../engine/work.ts';
import { PRESENCE_STATUSES, type PresenceStatus } from '../../../protocol/constants.ts';

/** Stored presence of a user. */
export interface StoredPresence {
  /** Status that the user chose; `undefined` if none. */
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
const chosenRows = statement((p: Params<{ userIds: string }>) =>
  query
    .selectFrom('comm_users')
    .select(['user_id', 'chosen_status'])
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
/**
 * Stops at the first shared conversation of each user. Starts from the user with fewer conversations, so that the cost is
 * bounded by the caller's own conversations, however many the other user has. With `written` 1 only conversations count
 * in which the other user has sent a message.
 */
const sharingRows = statement(
  (p: Params<{ userId: string; others: string; own: number; written: number }>) => sql<{ user_id: string }>`
    select value as user_id from json_each(${p.others})
    where case
      when ${p.own} < (
        select count(*) from (
          select 1 from conversation_participants where user_id = value limit ${p.own} + 1
        )
      ) then exists (
        select 1 from conversation_participants as ours
        cross join conversation_participants as theirs
          on theirs.conversation_id = ours.conversation_id and theirs.user_id = value
        where ours.user_id = ${p.userId} and (${p.written} = 0 or exists (
          select 1 from messages where conversation_id = ours.conversation_id and sender_id = value
        ))
      )
      else exists (
        select 1 from conversation_participants as theirs
        cross join conversation_participants as ours
          on ours.conversation_id = theirs.conversation_id and ours.user_id = ${p.userId}
        where theirs.user_id = value and (${p.written} = 0 or exists (
          select 1 from messages where conversation_id = theirs.conversation_id and sender_id = value
        ))
      )
    end`,
);
const countConversations = statement(
  (p: Params<{ userId: string }>) => sql<{ count: number }>`
    select count(*) as count from conversation_participants where user_id = ${p.userId}`,
);

const peerRows = statement(
  (p: Params<{ userId: string; limit: number }>) => sql<{ user_id: string }>`
    select distinct theirs.user_id from conversation_participants as ours
    join conversation_participants as theirs on theirs.conversation_id = ours.conversation_id
    where ours.user_id = ${p.userId} and theirs.user_id <> ${p.userId} limit ${p.limit}`,
);

/** Returns the stored presence of a user. */
export function* storedPresence(userId: string): Work<StoredPresence> {
  const row = yield* first(presenceRow({ userId }));
  return {
    chosen: PRESENCE_STATUSES.find((each) => each === row?.chosen_status),
    lastSeen: row?.last_seen ?? undefined,
  };
}

/** Returns the chosen status of each user. Users who have chosen none are omitted. */
export function* chosenStatusesOf(userIds: readonly string[]): Work<ReadonlyMap<string, PresenceStatus>> {
  const rows = yield* all(chosenRows({ userIds: JSON.stringify(userIds) }));
  return new Map(
    rows.flatMap((row) => {
      const chosen = PRESENCE_STATUSES.find((each) => each === row.chosen_status);
      return chosen === undefined ? [] : [[row.user_id, chosen]];
    }),
  );
}

/** Returns when each user was last seen. Users without a stored time are omitted. */
export function* lastSeenOf(userIds: readonly string[]): Work<ReadonlyMap<string, string>> {
  const rows = yield* all(lastSeenRows({ userIds: JSON.stringify(userIds) }));
  return new Map(rows.flatMap(({ user_id, last_seen }) => (last_seen === null ? [] : [[user_id, last_seen]])));
}

/** Stores the chosen status; `undefined` clears it. */
export function* storeChosenStatus(userId: string, chosen: PresenceStatus | undefined): Work<void> {
  yield* run(upsertChosen({ userId, chosen: chosen ?? null }));
}

/** Stores when a user was last seen. */
export function* storeLastSeen(userId: string, lastSeen: string): Work<void> {
  yield* run(upsertLastSeen({ userId, lastSeen }));
}

/** Returned as one JSON text, because thousands of rows cost ten times as much. */
export function* conversationIdsOf(userId: string): Work<readonly string[]> {
  return JSON.parse((yield* first(conversationRows({ userId })))?.ids ?? '[]') as string[];
}

/** Returns the number of the user's conversations. */
export function* conversationCountOf(userId: string): Work<number> {
  return (yield* first(countConversations({ userId })))?.count ?? 0;
}

/** Returns those of `others` who share a conversation with the user. */
export function* contactsAmong(userId: string, others: readonly string[]): Work<ReadonlySet<string>> {
  return yield* sharing(userId, others, 0);
}

/**
 * Returns whether the owner knows the user: has sent a message in a conversation that both share. A user can create any
 * number of shared conversations, but can't make the owner write in them.
 */
export function* isKnownTo(ownerId: string, userId: string): Work<boolean> {
  return (yield* sharing(userId, [ownerId], 1)).has(ownerId);
}

function* sharing(userId: string, others: readonly string[], written: number): Work<ReadonlySet<string>> {
  const own = yield* conversationCountOf(userId);
  if (own === 0) return new Set();
  const rows = yield* all(sharingRows({ userId, others: JSON.stringify(others), own, written }));
  return new Set(rows.map((row) => row.user_id));
}

/** Returns up to `limit` users who share a conversation with the user. */
export function* contactsOf(userId: string, limit: number): Work<readonly string[]> {
  return (yield* all(peerRows({ userId, limit }))).map((row) => row.user_id);
}
