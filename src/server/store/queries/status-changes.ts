import { sql } from 'kysely';
import { slowestOther, type SlowestMarkers } from './receipts.ts';
import { wireId } from './rows.ts';
import { listed, query, statement, type Params } from '../engine/statement.ts';
import { all, type Work } from '../engine/work.ts';

/**
 * Maximum number of status changes pushed to a sender when one marker moves. Clients with a change feed only need the
 * newest.
 */
const MAX_CHANGES_PER_SENDER = 50;

/** A message whose status changed. */
export interface StatusChange {
  readonly senderId: string;
  readonly messageId: string;
  readonly seq: number;
}
interface Part {
  after: number;
  upTo: number;
}
interface Range extends Part {
  conversationId: string;
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
 * Returns the messages whose status changed, oldest first. Only the users with the lowest markers have a range that
 * differs from everyone else's. Ranges are computed separately for them, so that one member who never reads doesn't
 * make each receipt of the others scan the whole conversation.
 *
 * @param moves - the new markers, ascending. Several that move together have the status changes of each of them.
 */
export function* statusChanges(
  conversationId: string,
  before: SlowestMarkers,
  after: SlowestMarkers,
  moves: readonly number[] = [],
): Work<StatusChange[]> {
  const limit = MAX_CHANGES_PER_SENDER;
  const slow = [...new Set([...before.slice(0, 1), ...after.slice(0, 1)].map((each) => each.user_id))];
  const found = [];
  for (const senderId of slow) {
    const range = { after: slowestOther(senderId, before), upTo: slowestOther(senderId, after) };
    for (const part of partsOf(range, moves)) {
      found.push(...(yield* all(selectSentBy({ conversationId, senderId, ...part, limit }))));
    }
  }
  const range = { after: before[0]?.mark ?? 0, upTo: after[0]?.mark ?? 0 };
  const senderIds = JSON.stringify(slow);
  for (const part of partsOf(range, moves)) {
    found.push(...(yield* all(selectSentByOthers({ conversationId, senderIds, ...part, limit }))));
  }
  return found
    .map((row) => ({ senderId: row.sender_id, messageId: wireId(row), seq: row.seq }))
    .toSorted((a, b) => a.seq - b.seq);
}

/** Splits a range at markers, into parts that are one move or have too few messages for the maximum to cut them. */
function partsOf({ after, upTo }: Part, moves: readonly number[]): Part[] {
  if (after >= upTo) return [];
  const parts: Part[] = [];
  let start = after;
  let end = after;
  for (const move of [...moves.filter((each) => each > after && each < upTo), upTo]) {
    if (end > start && move - start > MAX_CHANGES_PER_SENDER) {
      parts.push({ after: start, upTo: end });
      start = end;
    }
    end = move;
  }
  return [...parts, { after: start, upTo: end }];
}
