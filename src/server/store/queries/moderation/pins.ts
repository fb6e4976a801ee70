import { sql } from 'kysely';
import { messageRows } from '../messages.ts';
import { countFitting, storedBytes, type PageSize } from '../page-size.ts';
import type { MessageRow } from '../rows.ts';
import { listedIds, type Params, query, statement } from '../../engine/statement.ts';
import { all, first, run, type Work } from '../../engine/work.ts';

const updatePin = statement(
  (p: Params<{ id: number; by: string | null; at: string | null; pinnedRev: number | null; rev: number }>) =>
    query
      .updateTable('messages')
      .set({ pinned_by: p.by, pinned_at: p.at, pinned_rev: p.pinnedRev, rev: p.rev })
      .where('id', '=', p.id),
);
const countPinned = statement(
  (p: Params<{ conversationId: string }>) => sql<{ pinned: number }>`
    select count(*) as pinned from messages
    where conversation_id = ${p.conversationId} and pinned_rev is not null`,
);
const selectPinned = statement(
  (p: Params<{ conversationId: string; limit: number; offset: number }>) => sql<{ id: number; bytes: number }>`
    select messages.id, ${storedBytes} as bytes from messages
    where conversation_id = ${p.conversationId} and pinned_rev is not null
    order by pinned_rev desc limit ${p.limit} offset ${p.offset}`,
);
const selectRows = statement((p: Params<{ ids: string }>) =>
  messageRows.where('messages.id', 'in', listedIds(p.ids)).orderBy('messages.pinned_rev', 'desc'),
);

/** Pins a message, or removes its pin with `undefined`. */
export function* setPin(row: MessageRow, pin: { by: string; at: string } | undefined, rev: number): Work<MessageRow> {
  const { by = null, at = null } = pin ?? {};
  yield* run(updatePin({ id: row.id, by, at, pinnedRev: pin === undefined ? null : rev, rev }));
  return { ...row, pinned_by: by, pinned_at: at, rev };
}

/** Returns the number of pinned messages of a conversation. */
export function* pinnedCount(conversationId: string): Work<number> {
  return (yield* first(countPinned({ conversationId })))?.pinned ?? 0;
}

/** Returns a page of the pinned messages of a conversation, the newest pin first, and whether more follow. */
export function* pinnedRows(
  conversationId: string,
  offset: number,
  size: PageSize,
): Work<{ rows: readonly MessageRow[]; hasMore: boolean }> {
  const found = yield* all(selectPinned({ conversationId, limit: size.limit + 1, offset }));
  const ids = found.slice(0, countFitting(found, size)).map(({ id }) => id);
  const rows = ids.length === 0 ? [] : yield* all(selectRows({ ids: JSON.stringify(ids) }));
  return { rows, hasMore: ids.length < found.length };
}
