import { sql } from 'kysely';
import { listed, query, statement, type Params } from '../../engine/statement.ts';
import { all, first, run, type Work } from '../../engine/work.ts';

interface Pair {
  blockerId: string;
  blockedId: string;
}

/** Blocks of the shown users that one push considers. Above it, the push contains no presence. */
const MAX_HIDDEN_PAIRS = 5_000;

const insertBlock = statement((p: Params<Pair & { now: string }>) =>
  query.insertInto('comm_blocks').values({ blocker_id: p.blockerId, blocked_id: p.blockedId, created_at: p.now }),
);
const deleteBlock = statement((p: Params<Pair>) =>
  query.deleteFrom('comm_blocks').where('blocker_id', '=', p.blockerId).where('blocked_id', '=', p.blockedId),
);
const selectBlock = statement((p: Params<Pair>) =>
  query
    .selectFrom('comm_blocks')
    .select('blocked_id')
    .where('blocker_id', '=', p.blockerId)
    .where('blocked_id', '=', p.blockedId),
);
const selectBlocked = statement((p: Params<{ blockerId: string }>) =>
  query.selectFrom('comm_blocks').select('blocked_id').where('blocker_id', '=', p.blockerId).orderBy('blocked_id'),
);
const selectBlockers = statement((p: Params<{ blockedId: string; userIds: string }>) =>
  query
    .selectFrom('comm_blocks')
    .select('blocker_id')
    .where('blocked_id', '=', p.blockedId)
    .where('blocker_id', 'in', listed(p.userIds)),
);
const selectRelated = statement(
  (p: Params<{ userId: string; userIds: string }>) => sql<{ user_id: string }>`
    select value as user_id from json_each(${p.userIds}) where exists (
      select 1 from comm_blocks where blocker_id = ${p.userId} and blocked_id = value
    ) or exists (select 1 from comm_blocks where blocker_id = value and blocked_id = ${p.userId})`,
);
const selectRelatedMembers = statement(
  (p: Params<{ userId: string; conversationId: string }>) => sql<{ user_id: string }>`
    select p.user_id from conversation_participants as p where p.conversation_id = ${p.conversationId} and (exists (
      select 1 from comm_blocks where blocker_id = ${p.userId} and blocked_id = p.user_id
    ) or exists (select 1 from comm_blocks where blocker_id = p.user_id and blocked_id = ${p.userId}))`,
);
const selectAny = statement(() => sql<{ one: number }>`select 1 as one from comm_blocks where blocker_id > '' limit 1`);
/** One row more than {@link MAX_HIDDEN_PAIRS} shows that there are more. */
const selectPairs = statement(
  (p: Params<{ userIds: string; conversationId: string; limit: number }>) => sql<{
    shown: string;
    viewer: string;
    isMember: number;
  }>`
    select shown, viewer, exists (
      select 1 from conversation_participants where conversation_id = ${p.conversationId} and user_id = viewer
    ) as "isMember" from (
      select value as shown, blocked_id as viewer from json_each(${p.userIds})
        cross join comm_blocks on blocker_id = value
      union all
      select value, blocker_id from json_each(${p.userIds}) cross join comm_blocks on blocked_id = value
      limit ${p.limit}
    )`,
);
const selectDirectBlock = statement(
  (p: Params<{ conversationId: string; userId: string }>) => sql<{ one: number }>`
    select 1 as one from conversations as c
    cross join conversation_participants as p on p.conversation_id = c.id and p.user_id <> ${p.userId}
    cross join comm_blocks as b on b.blocker_id = p.user_id and b.blocked_id = ${p.userId}
    where c.id = ${p.conversationId} and c.type = 'direct' limit 1`,
);

/** Blocks a user who isn't blocked. */
export function* addBlock(blockerId: string, blockedId: string, now: string): Work<void> {
  yield* run(insertBlock({ blockerId, blockedId, now }));
}

/** Removes a block. */
export function* removeBlock(blockerId: string, blockedId: string): Work<void> {
  yield* run(deleteBlock({ blockerId, blockedId }));
}

/** Returns whether one user has blocked the other. */
export function* hasBlocked(blockerId: string, blockedId: string): Work<boolean> {
  return (yield* first(selectBlock({ blockerId, blockedId }))) !== undefined;
}

/** Returns the users whom a user has blocked, ordered by id. */
export function* blockedBy(blockerId: string): Work<string[]> {
  return (yield* all(selectBlocked({ blockerId }))).map((row) => row.blocked_id);
}

/** Returns those of the users who have blocked the user. */
export function* blockersAmong(userIds: readonly string[], blockedId: string): Work<ReadonlySet<string>> {
  const rows = yield* all(selectBlockers({ blockedId, userIds: JSON.stringify(userIds) }));
  return new Set(rows.map((row) => row.blocker_id));
}

/** Returns those of the users who have blocked the user or whom the user has blocked. */
export function* relatedAmong(userId: string, userIds: readonly string[]): Work<ReadonlySet<string>> {
  if (userIds.length === 0 || (yield* first(selectAny({}))) === undefined) return new Set();
  const rows = yield* all(selectRelated({ userId, userIds: JSON.stringify(userIds) }));
  return new Set(rows.map((row) => row.user_id));
}

/** Returns the members of a conversation who have blocked the user or whom the user has blocked. */
export function* relatedMembers(conversationId: string, userId: string): Work<readonly string[]> {
  if ((yield* first(selectAny({}))) === undefined) return [];
  return (yield* all(selectRelatedMembers({ conversationId, userId }))).map((row) => row.user_id);
}

/** Returns whether the conversation is direct and its other participant has blocked the user. */
export function* isBlockedIn(conversationId: string, userId: string): Work<boolean> {
  return (yield* first(selectDirectBlock({ conversationId, userId }))) !== undefined;
}

/** By member: the users whose presence that member must not see. `'all'` if there are too many to list. */
export type HiddenPresence = ReadonlyMap<string, ReadonlySet<string>> | 'all';

/** Returns from which members of a conversation the presence of the shown users is hidden. */
export function* hiddenPresence(conversationId: string, shown: readonly string[]): Work<HiddenPresence> {
  const hidden = new Map<string, Set<string>>();
  if (shown.length === 0 || (yield* first(selectAny({}))) === undefined) return hidden;
  const userIds = JSON.stringify(shown);
  const rows = yield* all(selectPairs({ userIds, conversationId, limit: MAX_HIDDEN_PAIRS + 1 }));
  if (rows.length > MAX_HIDDEN_PAIRS) return 'all';
  for (const { shown: userId, viewer, isMember } of rows) {
    if (isMember === 1) hidden.set(viewer, (hidden.get(viewer) ?? new Set<string>()).add(userId));
  }
  return hidden;
}
