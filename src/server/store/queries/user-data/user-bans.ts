import { isoTime } from '../rows.ts';
import { query, statement, type Params } from '../../engine/statement.ts';
import { all, first, run, type Work } from '../../engine/work.ts';

/** A user who is banned from the whole server. */
export interface UserBan {
  readonly userId: string;
  /** ISO 8601. */
  readonly bannedAt: string;
  readonly reason?: string | undefined;
}

const select = statement((p: Params<{ userId: string }>) =>
  query.selectFrom('comm_user_bans').select('user_id').where('user_id', '=', p.userId),
);
const selectPage = statement((p: Params<{ after: string; limit: number }>) =>
  query
    .selectFrom('comm_user_bans')
    .select(['user_id', 'banned_at', 'reason'])
    .where('user_id', '>', p.after)
    .orderBy('user_id')
    .limit(p.limit),
);
const insert = statement((p: Params<{ userId: string; now: string; reason: string | null }>) =>
  query
    .insertInto('comm_user_bans')
    .values({ user_id: p.userId, banned_at: p.now, reason: p.reason })
    .onConflict((conflict) => conflict.column('user_id').doUpdateSet({ reason: p.reason })),
);
const remove = statement((p: Params<{ userId: string }>) =>
  query.deleteFrom('comm_user_bans').where('user_id', '=', p.userId),
);

/** Returns whether the user is banned. */
export function* isUserBanned(userId: string): Work<boolean> {
  return (yield* first(select({ userId }))) !== undefined;
}

/** Returns a page of the bans, ordered by user id. */
export function* userBanPage(after: string, limit: number): Work<UserBan[]> {
  return (yield* all(selectPage({ after, limit }))).map((row) => ({
    userId: row.user_id,
    bannedAt: isoTime(row.banned_at),
    ...(row.reason !== null && { reason: row.reason }),
  }));
}

/** Bans a user. A user who is banned already keeps the time, and gets the new reason. */
export function* banUser(userId: string, now: string, reason: string | undefined): Work<void> {
  yield* run(insert({ userId, now, reason: reason ?? null }));
}

/** Lifts the ban of a user. */
export function* unbanUser(userId: string): Work<void> {
  yield* run(remove({ userId }));
}
