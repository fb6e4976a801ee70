import { sql } from 'kysely';
import { slowestBut, type Slowest } from './marks.ts';
import { wireId } from './rows.ts';
import { listed, query, statement, type Params } from './statement.ts';
import { all, type Work } from './work.ts';

/** A sender learns of this many messages one by one; a client with our feed needs only the newest. */
const MAX_TOLD = 50;

export interface StatusChange {
  readonly senderId: string;
  readonly messageId: string;
  readonly seq: number;
}
interface Range {
  conversationId: string;
  after: number;
  upTo: number;
}

const selectSentBy = statement((p: Params<Range & { senderId: string; limit: number }>) =>
  query
    .selectFrom('messages')
    .select(['id', 'public_id', 'sender_id', 'seq'])
    .$narrowType<{ seq: number }>()
    .where('conversation_id', '=', p.conversationId)
    .where('sender_id', '=', p.senderId)
    .where('seq', '>', p.after)
    .where('seq', '<=', p.upTo)
    .where('deleted_at', 'is', null)
    .orderBy('seq', 'desc')
    .limit(p.limit),
);
const selectSentByOthers = statement(
  (p: Params<Range & { senderIds: string; limit: number }>) => sql<{
    id: number;
    public_id: string | null;
    sender_id: string;
    seq: number;
  }>`
    select id, public_id, sender_id, seq from (
      select id, public_id, sender_id, seq, row_number() over (partition by sender_id order by seq desc) as rank
      from messages
      where conversation_id = ${p.conversationId} and seq > ${p.after} and seq <= ${p.upTo} and deleted_at is null
        and sender_id not in ${listed(p.senderIds)}
    ) where rank <= ${p.limit}`,
);

/**
 * The messages whose slowest other moved past them, oldest first. Only those furthest behind see the others' marks
 * differently from everybody else; each of them has a range of their own, so that somebody who never reads doesn't make
 * every mark of the others cost the whole conversation.
 */
export function* statusChanges(conversationId: string, before: Slowest, after: Slowest): Work<StatusChange[]> {
  const slow = [...new Set([...before.slice(0, 1), ...after.slice(0, 1)].map((each) => each.user_id))];
  const found = [];
  for (const senderId of slow) {
    const range = { after: slowestBut(senderId, before), upTo: slowestBut(senderId, after) };
    if (range.after >= range.upTo) continue;
    found.push(...(yield* all(selectSentBy({ conversationId, senderId, ...range, limit: MAX_TOLD }))));
  }
  const range = { after: before[0]?.mark ?? 0, upTo: after[0]?.mark ?? 0 };
  if (range.after < range.upTo) {
    const senderIds = JSON.stringify(slow);
    found.push(...(yield* all(selectSentByOthers({ conversationId, senderIds, ...range, limit: MAX_TOLD }))));
  }
  return found
    .map((row) => ({ senderId: row.sender_id, messageId: wireId(row), seq: row.seq }))
    .toSorted((a, b) => a.seq - b.seq);
}
