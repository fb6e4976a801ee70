import { sql } from 'kysely';
import { MESSAGE_COLUMNS } from './messages.ts';
import { countFitting, storedBytes, type PageSize } from './page-size.ts';
import type { MessageTuple } from './rows.ts';
import { arrayStatement, statement, type Params } from '../engine/statement.ts';
import { all, first, type Work } from '../engine/work.ts';

interface Page {
  conversationId: string;
  seq: number;
  limit: number;
}

/** Rows of a page in the order in which they were read, and whether more follow in its direction. */
export interface HistoryPage {
  readonly rows: readonly MessageTuple[];
  readonly hasMore: boolean;
}

/**
 * Stored bytes above which the content of a message is read by a statement of its own, so that a page reads little that
 * doesn't fit into it.
 */
const LARGE_BYTES = 4_096;

/** Place of the size of a row behind its columns. */
const BYTES_AT = MESSAGE_COLUMNS.length;

const LARGE_COLUMNS = new Set<string>(['messages.content', 'messages.attachment', 'messages.reaction_envelopes']);

/** The columns of {@link MessageTuple}; those of a large message that can be large are null. */
const tupleColumns = sql.join(
  MESSAGE_COLUMNS.map((column) =>
    LARGE_COLUMNS.has(column)
      ? sql`iif(${storedBytes} > ${sql.lit(LARGE_BYTES)}, null, ${sql.ref(column)}) as ${sql.ref(column.slice(9))}`
      : sql.ref(column),
  ),
);
const selectBefore = arrayStatement(
  (p: Params<Page>) => sql<MessageTuple>`
    select ${tupleColumns}, ${storedBytes} as bytes from messages
    where conversation_id = ${p.conversationId} and seq < ${p.seq} order by seq desc limit ${p.limit}`,
);
const selectAfter = arrayStatement(
  (p: Params<Page>) => sql<MessageTuple>`
    select ${tupleColumns}, ${storedBytes} as bytes from messages
    where conversation_id = ${p.conversationId} and seq > ${p.seq} order by seq limit ${p.limit}`,
);
const selectLarge = arrayStatement(
  (p: Params<{ id: number }>) => sql<
    readonly [content: string, attachment: string | null, reactionEnvelopes: string | null]
  >`
    select content, attachment, reaction_envelopes from messages where id = ${p.id}`,
);
/** The two formats of time are comparable after normalization; the index alone narrows the range to a day. */
const selectSeqBeforeTime = statement(
  (p: Params<{ conversationId: string; time: string }>) =>
    sql<{ seq: number }>`
    select seq from messages
    where conversation_id = ${p.conversationId} and created_at < ${p.time}
      and substr(replace(created_at, ' ', 'T') || '.000Z', 1, 24) < ${p.time}
    order by created_at desc, id desc limit 1`,
);

/** Returns messages before a position, newest first. */
export function* pageBefore(conversationId: string, seq: number, size: PageSize): Work<HistoryPage> {
  // One row more than requested shows whether there are more.
  return yield* cutPage(yield* all(selectBefore({ conversationId, seq, limit: size.limit + 1 })), size);
}

/** Returns the messages that follow a position, oldest first. */
export function* pageAfter(conversationId: string, seq: number, size: PageSize): Work<HistoryPage> {
  return yield* cutPage(yield* all(selectAfter({ conversationId, seq, limit: size.limit + 1 })), size);
}

function* cutPage(found: readonly MessageTuple[], size: PageSize): Work<HistoryPage> {
  const count = countFitting(
    found.map((row) => ({ bytes: row[BYTES_AT] ?? 0 })),
    size,
  );
  const rows = found.slice(0, count);
  for (const row of rows) {
    if ((row[BYTES_AT] ?? 0) <= LARGE_BYTES) continue;
    const large = yield* first(selectLarge({ id: row[0] }));
    if (large !== undefined) [row[3], row[6], row[18]] = large;
  }
  return { rows, hasMore: count < found.length };
}

/** Returns the first position that is not before `time` (ISO 8601, UTC). */
export function* seqAtTime(conversationId: string, time: string): Work<number> {
  return ((yield* first(selectSeqBeforeTime({ conversationId, time })))?.seq ?? 0) + 1;
}
