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

/** The messages that a page is taken from. */
export interface Timeline {
  readonly conversationId: string;
  /** Only the replies of the thread with this root. */
  readonly threadId?: string | undefined;
  /**
   * Only the main timeline: `seq` of the first reply that isn't in it, `null` if there is none. If absent, all messages of the
   * conversation.
   */
  readonly sideStart?: number | null | undefined;
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
const columns = sql`${tupleColumns}, ${storedBytes} as bytes`;
/*
 * The main timeline: before the first reply that isn't in it, it has all messages; after it, it has an index of its own.
 */
const selectMainBefore = arrayStatement(
  (p: Params<Page & { start: number }>) => sql<MessageTuple>`
    select * from (
      select ${columns} from messages
      where conversation_id = ${p.conversationId} and seq < ${p.seq} and side = 0 and side_seq > 0
      order by seq desc limit ${p.limit}
    ) union all select * from (
      select ${columns} from messages
      where conversation_id = ${p.conversationId} and seq < min(cast(${p.seq} as bigint), ${p.start}) order by seq desc limit ${p.limit}
    ) order by seq desc limit ${p.limit}`,
);
const selectMainAfter = arrayStatement(
  (p: Params<Page & { start: number }>) => sql<MessageTuple>`
    select * from (
      select ${columns} from messages
      where conversation_id = ${p.conversationId} and seq > ${p.seq} and seq < ${p.start} order by seq limit ${p.limit}
    ) union all select * from (
      select ${columns} from messages
      where conversation_id = ${p.conversationId} and seq > ${p.seq} and side = 0 and side_seq > 0
      order by seq limit ${p.limit}
    ) order by seq limit ${p.limit}`,
);
const selectThreadBefore = arrayStatement(
  (p: Params<Page & { threadId: string }>) => sql<MessageTuple>`
    select ${columns} from messages
    where thread_id = ${p.threadId} and seq < ${p.seq} order by seq desc limit ${p.limit}`,
);
const selectThreadAfter = arrayStatement(
  (p: Params<Page & { threadId: string }>) => sql<MessageTuple>`
    select ${columns} from messages
    where thread_id = ${p.threadId} and seq > ${p.seq} order by seq limit ${p.limit}`,
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
export function* pageBefore(timeline: Timeline, seq: number, size: PageSize): Work<HistoryPage> {
  const { conversationId, threadId, sideStart: start } = timeline;
  // One row more than requested shows whether there are more.
  const page = { conversationId, seq, limit: size.limit + 1 };
  if (threadId !== undefined) return yield* cutPage(yield* all(selectThreadBefore({ ...page, threadId })), size);
  const isAll = start === undefined || start === null;
  return yield* cutPage(yield* all(isAll ? selectBefore(page) : selectMainBefore({ ...page, start })), size);
}

/** Returns the messages that follow a position, oldest first. */
export function* pageAfter(timeline: Timeline, seq: number, size: PageSize): Work<HistoryPage> {
  const { conversationId, threadId, sideStart: start } = timeline;
  const page = { conversationId, seq, limit: size.limit + 1 };
  if (threadId !== undefined) return yield* cutPage(yield* all(selectThreadAfter({ ...page, threadId })), size);
  const isAll = start === undefined || start === null;
  return yield* cutPage(yield* all(isAll ? selectAfter(page) : selectMainAfter({ ...page, start })), size);
}

function* cutPage(found: readonly MessageTuple[], size: PageSize): Work<HistoryPage> {
  const count = countFitting(
    found.map((row) => ({ bytes: bytesOf(row) })),
    size,
  );
  const rows = found.slice(0, count);
  for (const row of rows) {
    if (bytesOf(row) <= LARGE_BYTES) continue;
    const large = yield* first(selectLarge({ id: row[0] }));
    if (large !== undefined) [row[3], row[6], row[18]] = large;
  }
  return { rows, hasMore: count < found.length };
}

/** Returns the stored bytes, which follow the columns of the message. */
function bytesOf(row: MessageTuple): number {
  return row[MESSAGE_COLUMNS.length] ?? 0;
}

/** Returns the first position that is not before `time` (ISO 8601, UTC). */
export function* seqAtTime(conversationId: string, time: string): Work<number> {
  return ((yield* first(selectSeqBeforeTime({ conversationId, time })))?.seq ?? 0) + 1;
}
