import { sql } from 'kysely';
import { messageRows } from './messages.ts';
import type { MessageRow } from './rows.ts';
import { statement, type Params } from './statement.ts';
import { all, first, type Work } from './work.ts';

interface Page {
  conversationId: string;
  seq: number;
  limit: number;
}

const selectBefore = statement((p: Params<Page>) =>
  messageRows
    .where('messages.conversation_id', '=', p.conversationId)
    .where('messages.seq', '<', p.seq)
    .orderBy('messages.seq', 'desc')
    .limit(p.limit),
);
const selectAfter = statement((p: Params<Page>) =>
  messageRows
    .where('messages.conversation_id', '=', p.conversationId)
    .where('messages.seq', '>', p.seq)
    .orderBy('messages.seq')
    .limit(p.limit),
);
/** The two formats of time compare once they are one; the index alone narrows it down to a day. */
const selectSeqBeforeTime = statement(
  (p: Params<{ conversationId: string; time: string }>) =>
    sql<{ seq: number }>`
    select seq from messages
    where conversation_id = ${p.conversationId} and created_at < ${p.time}
      and substr(replace(created_at, ' ', 'T') || '.000Z', 1, 24) < ${p.time}
    order by created_at desc, id desc limit 1`,
);

/** Up to `limit` messages before a position, newest first. */
export function* pageBefore(conversationId: string, seq: number, limit: number): Work<readonly MessageRow[]> {
  return yield* all(selectBefore({ conversationId, seq, limit }));
}

/** The `limit` messages that follow a position, newest first. */
export function* pageAfter(conversationId: string, seq: number, limit: number): Work<readonly MessageRow[]> {
  return [...(yield* all(selectAfter({ conversationId, seq, limit })))].toReversed();
}

/** The first position that is not before `time` (ISO 8601, UTC). */
export function* seqAtTime(conversationId: string, time: string): Work<number> {
  return ((yield* first(selectSeqBeforeTime({ conversationId, time })))?.seq ?? 0) + 1;
}
