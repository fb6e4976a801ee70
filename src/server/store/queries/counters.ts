import { sql, type RawBuilder } from 'kysely';
import { query, statement, type Params } from '../engine/statement.ts';
import { first, type Work } from '../engine/work.ts';

/** The later one of the time of the last activity and `now`: the clocks of several processes differ, and clients never set it back. */
const later = (now: RawBuilder<string> | string): RawBuilder<string> =>
  sql<string>`case when replace(updated_at, ' ', 'T') > ${now} then updated_at else ${now} end`;

const nextMessages = statement((p: Params<{ conversationId: string; now: string; count: number }>) =>
  query
    .updateTable('conversations')
    .set((each) => ({ seq: each('seq', '+', p.count), rev: each('rev', '+', p.count), updated_at: later(p.now) }))
    .where('id', '=', p.conversationId)
    .returning(['seq', 'rev', 'side_seq']),
);
const nextReplies = statement(
  (p: Params<{ conversationId: string; now: string; count: number } & ReplyCounts>) => sql<CountersRow>`
    update conversations set seq = seq + ${p.count}, rev = rev + ${p.count} + ${p.roots}, updated_at = ${later(p.now)},
      side_seq = side_seq + ${p.sides}, side_start = coalesce(side_start, iif(${p.firstSide} > 0, seq + ${p.firstSide}, null))
    where id = ${p.conversationId} returning seq, rev, side_seq`,
);
const nextRevision = statement((p: Params<{ conversationId: string }>) =>
  query
    .updateTable('conversations')
    .set((each) => ({ rev: each('rev', '+', 1) }))
    .where('id', '=', p.conversationId)
    .returning('rev'),
);
const nextInbox = statement((p: Params<{ userId: string }>) =>
  query
    .insertInto('comm_users')
    .values({ user_id: p.userId, inbox_rev: 1 })
    .onConflict((conflict) =>
      conflict.column('user_id').doUpdateSet((each) => ({ inbox_rev: each('comm_users.inbox_rev', '+', 1) })),
    )
    .returning('inbox_rev'),
);
const selectInbox = statement((p: Params<{ userId: string }>) =>
  query.selectFrom('comm_users').select('inbox_rev').where('user_id', '=', p.userId),
);

/** What replies among new messages change. */
export interface ReplyCounts {
  /** Number of threads: the revisions of their roots precede those of the messages. */
  readonly roots: number;
  /** Number of replies that are shown in their threads only. */
  readonly sides: number;
  /** Place of the first of them among the messages, from 1; 0 if there is none. */
  readonly firstSide: number;
}

/** The counters of a conversation. */
export interface Counters {
  readonly seq: number;
  readonly rev: number;
  readonly sideSeq: number;
}

interface CountersRow {
  seq: number;
  rev: number;
  side_seq: number;
}

/**
 * Advances `seq` and `rev` for new messages. Call it after all checks, because values that were taken aren't returned.
 *
 * @returns the values of the last message
 */
export function* takeSeq(conversationId: string, now: string, count = 1, replies?: ReplyCounts): Work<Counters> {
  const statement = replies === undefined ? nextMessages : nextReplies;
  const none = { roots: 0, sides: 0, firstSide: 0 };
  const row = counted(yield* first(statement({ conversationId, now, count, ...none, ...replies })));
  return { seq: row.seq, rev: row.rev, sideSeq: row.side_seq };
}

/** Advances `rev` for a durable change that isn't a new message. */
export function* takeRev(conversationId: string): Work<number> {
  return counted(yield* first(nextRevision({ conversationId }))).rev;
}

/** Advances the inbox revision of a user. */
export function* takeInboxRev(userId: string): Work<number> {
  return counted(yield* first(nextInbox({ userId }))).inbox_rev;
}

/** Returns the inbox revision of a user. */
export function* inboxRevOf(userId: string): Work<number> {
  return (yield* first(selectInbox({ userId })))?.inbox_rev ?? 0;
}

function counted<T>(row: T | undefined): T {
  if (row === undefined) throw new Error('The row of a counter is missing');
  return row;
}
