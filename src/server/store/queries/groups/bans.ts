import { sql } from 'kysely';
import type { Ban } from '../../../../protocol/groups.ts';
import { isoTime } from '../rows.ts';
import { listed, query, statement, type Params } from '../../engine/statement.ts';
import { all, first, run, type Work } from '../../engine/work.ts';

interface Pair {
  conversationId: string;
  userId: string;
}

const selectBanned = statement((p: Params<{ conversationId: string; userIds: string }>) =>
  query
    .selectFrom('comm_bans')
    .select('user_id')
    .where('conversation_id', '=', p.conversationId)
    .where('user_id', 'in', listed(p.userIds)),
);
const selectCount = statement(
  (p: Params<{ conversationId: string }>) => sql<{ bans: number }>`
    select count(*) as bans from comm_bans where conversation_id = ${p.conversationId}`,
);
const selectPage = statement((p: Params<{ conversationId: string; after: string; limit: number }>) =>
  query
    .selectFrom('comm_bans')
    .select(['user_id', 'banned_by', 'banned_at', 'reason'])
    .where('conversation_id', '=', p.conversationId)
    .where('user_id', '>', p.after)
    .orderBy('user_id')
    .limit(p.limit),
);
const insertBan = statement((p: Params<Pair & { by: string; at: string; reason: string | null }>) =>
  query
    .insertInto('comm_bans')
    .values({
      conversation_id: p.conversationId,
      user_id: p.userId,
      banned_by: p.by,
      banned_at: p.at,
      reason: p.reason,
    })
    .onConflict((conflict) => conflict.doNothing()),
);
const deleteBan = statement((p: Params<Pair>) =>
  query.deleteFrom('comm_bans').where('conversation_id', '=', p.conversationId).where('user_id', '=', p.userId),
);

/** Returns those of the users who are banned. */
export function* bannedAmong(conversationId: string, userIds: readonly string[]): Work<string[]> {
  const rows = yield* all(selectBanned({ conversationId, userIds: JSON.stringify(userIds) }));
  return rows.map((row) => row.user_id);
}

/** Returns the number of bans. */
export function* banCount(conversationId: string): Work<number> {
  return (yield* first(selectCount({ conversationId })))?.bans ?? 0;
}

/** Returns a page of the bans, ordered by user id. */
export function* banPage(conversationId: string, after: string, limit: number): Work<Ban[]> {
  const rows = yield* all(selectPage({ conversationId, after, limit }));
  return rows.map(({ user_id: userId, banned_by: bannedBy, banned_at: at, reason }) => ({
    userId,
    bannedBy,
    bannedAt: isoTime(at),
    ...(reason !== null && { reason }),
  }));
}

/** Bans a user. An existing ban stays as it is. */
export function* addBan(
  { conversationId, userId }: Pair,
  ban: { readonly by: string; readonly at: string; readonly reason: string | undefined },
): Work<void> {
  yield* run(insertBan({ conversationId, userId, by: ban.by, at: ban.at, reason: ban.reason ?? null }));
}

/** Lifts a ban. */
export function* removeBan(pair: Pair): Work<void> {
  yield* run(deleteBan(pair));
}
