import { sql } from 'kysely';
import { onlyPostgres, query, statement, type Params } from '../engine/statement.ts';
import { first, run, type Work } from '../engine/work.ts';

/** Idempotency key of a message change that was applied, including changes without effect. */
export interface IdempotencyKey {
  readonly userId: string;
  readonly clientId: string;
  /** Row id of the message. */
  readonly messageId: number;
  readonly appliedAt: string;
}

/** Limits of retention. */
export interface IdempotencyKeyLimits {
  /** Keys that were stored before this time expire. */
  readonly before: string;
  /** Maximum number of keys per user; the oldest are deleted. */
  readonly each: number;
}

/**
 * Maximum number of expired keys deleted per insert. It exceeds 1, so that the table never accumulates expired keys.
 */
const MAX_EXPIRED_DELETIONS = 4;

const selectKey = statement((p: Params<Pick<IdempotencyKey, 'userId' | 'clientId'>>) =>
  query
    .selectFrom('comm_applied')
    .select('message_id')
    .where('user_id', '=', p.userId)
    .where('client_id', '=', p.clientId),
);
const insertKey = statement((p: Params<IdempotencyKey>) =>
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
/** Two users delete the same expired keys at the same time, which must not wait for each other. */
const deleteExpired = statement(
  (p: Params<{ before: string; limit: number }>) => sql<never>`
    delete from comm_applied where (user_id, client_id) in (
      select user_id, client_id from comm_applied where applied_at < ${p.before} order by applied_at limit ${p.limit}
      ${onlyPostgres('for update skip locked')}
    )`,
);

/** Returns the row id of the message that was changed with this key. */
export function* findIdempotencyKey(userId: string, clientId: string): Work<number | undefined> {
  return (yield* first(selectKey({ userId, clientId })))?.message_id;
}

/** Stores a key and deletes expired ones. */
export function* storeIdempotencyKey(key: IdempotencyKey, { before, each }: IdempotencyKeyLimits): Work<void> {
  const { place = 0 } = (yield* first(insertKey(key))) ?? {};
  if (place > each) yield* run(deleteOlder({ userId: key.userId, upTo: place - each }));
  yield* run(deleteExpired({ before, limit: MAX_EXPIRED_DELETIONS }));
}
