import { sql } from 'kysely';
import { query, statement, type Params } from './statement.ts';
import { first, run, type Work } from './work.ts';

/** A change of a message that was asked for and granted, even where it changed nothing, by the id that its caller gave it. */
export interface Applied {
  readonly userId: string;
  readonly clientId: string;
  /** Row id of the message. */
  readonly messageId: number;
  readonly appliedAt: string;
}

/** What is forgotten. */
export interface AppliedLimits {
  /** What was applied before. */
  readonly before: string;
  /** More than so many of one user: the oldest of them. */
  readonly each: number;
}

/** Each one that is kept takes at most this many old ones with it: so there are never more than are of use. */
const PRUNED_EACH_TIME = 4;

const selectApplied = statement((p: Params<Pick<Applied, 'userId' | 'clientId'>>) =>
  query
    .selectFrom('comm_applied')
    .select('message_id')
    .where('user_id', '=', p.userId)
    .where('client_id', '=', p.clientId),
);
const insertApplied = statement((p: Params<Applied>) =>
  query
    .insertInto('comm_applied')
    .values({
      user_id: p.userId,
      client_id: p.clientId,
      message_id: p.messageId,
      place: sql<number>`1 + coalesce((
        select place from comm_applied where user_id = ${p.userId} order by place desc limit 1
      ), 0)`,
      applied_at: p.appliedAt,
    })
    .returning('place'),
);
const deleteOlder = statement((p: Params<{ userId: string; upTo: number }>) =>
  query.deleteFrom('comm_applied').where('user_id', '=', p.userId).where('place', '<=', p.upTo),
);
const deleteExpired = statement(
  (p: Params<{ before: string; limit: number }>) => sql<never>`
    delete from comm_applied where (user_id, client_id) in (
      select user_id, client_id from comm_applied where applied_at < ${p.before} order by applied_at limit ${p.limit}
    )`,
);

/** Row id of the message that was changed under this id, where it was. */
export function* appliedTo(userId: string, clientId: string): Work<number | undefined> {
  return (yield* first(selectApplied({ userId, clientId })))?.message_id;
}

/** Keeps one, and forgets what nobody will repeat any more. */
export function* keepApplied(applied: Applied, { before, each }: AppliedLimits): Work<void> {
  const { place = 0 } = (yield* first(insertApplied(applied))) ?? {};
  if (place > each) yield* run(deleteOlder({ userId: applied.userId, upTo: place - each }));
  yield* run(deleteExpired({ before, limit: PRUNED_EACH_TIME }));
}
