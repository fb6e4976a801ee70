import { query, statement, type Params } from './statement.ts';
import { first, type Work } from './work.ts';

const nextMessage = statement((p: Params<{ conversationId: string; now: string }>) =>
  query
    .updateTable('conversations')
    .set((each) => ({ seq: each('seq', '+', 1), rev: each('rev', '+', 1), updated_at: p.now }))
    .where('id', '=', p.conversationId)
    .returning(['seq', 'rev']),
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

/** The place of a new message. Take it after everything that can refuse: a number taken is used. */
export function* takeSeq(conversationId: string, now: string): Work<{ seq: number; rev: number }> {
  return counted(yield* first(nextMessage({ conversationId, now })));
}

/** The number of a durable change that is no new message. */
export function* takeRev(conversationId: string): Work<number> {
  return counted(yield* first(nextRevision({ conversationId }))).rev;
}

/** The number of a change that concerns one user alone. */
export function* takeInboxRev(userId: string): Work<number> {
  return counted(yield* first(nextInbox({ userId }))).inbox_rev;
}

export function* inboxRevOf(userId: string): Work<number> {
  return (yield* first(selectInbox({ userId })))?.inbox_rev ?? 0;
}

function counted<T>(row: T | undefined): T {
  if (row === undefined) throw new Error('A counter is gone: its conversation was deleted in the same transaction');
  return row;
}
