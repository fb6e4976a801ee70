import { sql, type RawBuilder } from 'kysely';
import { query, statement, type Params } from '../engine/statement.ts';
import { first, run, type Work } from '../engine/work.ts';

/** Messages and content in bytes per step. A step takes a few milliseconds, so that other work runs between two steps. */
const STEP: StepSize = { limit: 250, bytes: 65_536 };

interface StepSize {
  limit: number;
  bytes: number;
}
interface Step {
  /** The last message of the step. */
  last: number | null;
  /** Number of messages in the step. */
  found: number;
  /** Number of messages that were considered: more than `found` if they are large. */
  available: number;
}

const selectPending = statement(
  (_: Params<object>) => sql<{ pending: number }>`
    select indexed_to < coalesce((select max(id) from messages), 0)
      or exists (select 1 from comm_search_stale) as pending
    from comm_search_state`,
);
/** The first of `rows` (`id`, `content`) that fit in a step, at least one. */
const step = (rows: RawBuilder<unknown>, p: Params<StepSize>): RawBuilder<Step> => sql<Step>`
  select max(id) filter (where bytes <= ${p.bytes} or place = 1) as last,
    count(*) filter (where bytes <= ${p.bytes} or place = 1) as found, count(*) as available
  from (
    select id, row_number() over (order by id) as place,
      sum(coalesce(octet_length(content), 0)) over (order by id) as bytes
    from (${rows} order by id limit ${p.limit})
  )`;
const selectStale = statement((p: Params<StepSize>) =>
  step(
    sql`select message_id as id, m.content
      from comm_search_stale left join messages as m on m.id = message_id`,
    p,
  ),
);
const forgetStale = statement(
  (p: Params<{ last: number }>) => sql<never>`
    delete from comm_messages_search where rowid in (
      select message_id from comm_search_stale where message_id <= ${p.last}
    )`,
);
/** The text of a message: its content or, without a caption, the name of its first file. */
const text = sql<string>`case
  when m.content <> '' then m.content
  when m.deleted_at is null and json_valid(m.attachment) then coalesce(m.attachment ->> '$.fileName', '')
  else '' end`;
/** Ciphertext, tombstones and messages written by the server aren't indexed. */
const indexable = sql<boolean>`m.encrypted = 0 and ${text} <> '' and m.type not in ('system', 'call')`;
const indexStale = statement(
  (p: Params<{ last: number }>) => sql<never>`
    insert into comm_messages_search (rowid, scope, content)
    select m.id, hex(m.conversation_id), ${text}
    from comm_search_stale as stale cross join messages as m on m.id = stale.message_id
    where stale.message_id <= ${p.last} and ${indexable}`,
);
const clearStale = statement((p: Params<{ last: number }>) =>
  query.deleteFrom('comm_search_stale').where('message_id', '<=', p.last),
);
const selectNext = statement((p: Params<StepSize>) =>
  step(sql`select id, content from messages where id > (select indexed_to from comm_search_state)`, p),
);
const indexNew = statement(
  (p: Params<{ last: number }>) => sql<never>`
    insert into comm_messages_search (rowid, scope, content)
    select m.id, hex(m.conversation_id), ${text} from messages as m
    where m.id > (select indexed_to from comm_search_state) and m.id <= ${p.last} and ${indexable}`,
);
const moveOn = statement((p: Params<{ last: number }>) =>
  query.updateTable('comm_search_state').set({ indexed_to: p.last }),
);

const selectIndexedTo = statement((_: Params<object>) => query.selectFrom('comm_search_state').select('indexed_to'));

/** Pages of the index per step of a merge. A step takes a few milliseconds. */
const MERGE_PAGES = 32;
const merge = statement(
  (_: Params<object>) => sql<never>`
    insert into comm_messages_search (comm_messages_search, rank) values ('merge', ${sql.lit(MERGE_PAGES)})`,
);
const optimize = statement(
  (_: Params<object>) => sql<never>`insert into comm_messages_search (comm_messages_search) values ('optimize')`,
);
const selectTotalChanges = statement(
  (_: Params<object>) => sql<{ changes: number }>`select total_changes() as changes`,
);

/** Writes an index within a write transaction. The messages up to `last` are those of a step. */
export interface IndexWriter {
  /** Removes the messages that have changed. */
  forgetStale(step: { readonly last: number }): Work<void>;
  /** Adds them as they are now. */
  indexStale(step: { readonly last: number }): Work<void>;
  /** Adds new messages. */
  indexNew(step: { readonly last: number }): Work<void>;
}

const FTS5_INDEX: IndexWriter = {
  forgetStale: ({ last }) => run(forgetStale({ last })),
  indexStale: ({ last }) => run(indexStale({ last })),
  indexNew: ({ last }) => run(indexNew({ last })),
};

/** Returns the id of the newest message in the index. */
export function* lastIndexed(): Work<number> {
  return (yield* first(selectIndexedTo({})))?.indexed_to ?? 0;
}

/** Returns whether the index is outdated. */
export function* isIndexStale(): Work<boolean> {
  return (yield* first(selectPending({})))?.pending === 1;
}

/**
 * Indexes one batch within a write transaction. @returns whether it was cut to its size, so that more may follow
 */
export function* indexStep(size = STEP, writer = FTS5_INDEX): Work<boolean> {
  const stale = yield* first(selectStale({ ...size }));
  if (typeof stale?.last === 'number') {
    yield* writer.forgetStale({ last: stale.last });
    yield* writer.indexStale({ last: stale.last });
    yield* run(clearStale({ last: stale.last }));
  }
  const next = yield* first(selectNext({ ...size }));
  if (typeof next?.last === 'number') {
    yield* writer.indexNew({ last: next.last });
    yield* run(moveOn({ last: next.last }));
  }
  return isCut(stale, size) || isCut(next, size);
}

function isCut(taken: Step | undefined, { limit }: StepSize): boolean {
  return taken !== undefined && (taken.available === limit || taken.found < taken.available);
}

/**
 * Merges parts of the index within a write transaction: each word of a search is looked up in each part. A part is rewritten
 * about as often as the index has doubled since.
 *
 * @returns whether more can be merged
 */
export function* mergeStep(): Work<boolean> {
  const before = yield* first(selectTotalChanges({}));
  yield* run(merge({}));
  const after = yield* first(selectTotalChanges({}));
  // A merge that had nothing to do counts as one change (https://sqlite.org/fts5.html, "The 'merge' Command").
  return (after?.changes ?? 0) - (before?.changes ?? 0) >= 2;
}

/** Indexes all messages at once. For migrations. */
export function* indexAll(): Work<void> {
  while (yield* indexStep({ limit: 100_000, bytes: Number.MAX_SAFE_INTEGER }));
  yield* run(optimize({}));
}
