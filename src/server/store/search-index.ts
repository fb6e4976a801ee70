import { sql } from 'kysely';
import { query, statement, type Params } from './statement.ts';
import { first, run, type Work } from './work.ts';

/** Messages of one step: a few milliseconds, so that others get their turn between two. */
const STEP = 250;

const selectPending = statement(
  (_: Params<object>) => sql<{ pending: number }>`
    select indexed_to < coalesce((select max(id) from messages), 0)
      or exists (select 1 from comm_search_stale) as pending
    from comm_search_state`,
);
const selectStale = statement(
  (p: Params<{ limit: number }>) =>
    sql<{ last: number | null; found: number }>`
    select max(message_id) as last, count(*) as found from (
      select message_id from comm_search_stale order by message_id limit ${p.limit}
    )`,
);
const forgetStale = statement(
  (p: Params<{ last: number }>) => sql<never>`
    delete from comm_messages_search where rowid in (
      select message_id from comm_search_stale where message_id <= ${p.last}
    )`,
);
/** Ciphertext, tombstones and what servers write are left out. */
const indexable = sql<boolean>`m.encrypted = 0 and m.content <> '' and m.type not in ('system', 'call')`;
const indexStale = statement(
  (p: Params<{ last: number }>) => sql<never>`
    insert into comm_messages_search (rowid, scope, content)
    select m.id, hex(m.conversation_id), m.content
    from comm_search_stale as stale cross join messages as m on m.id = stale.message_id
    where stale.message_id <= ${p.last} and ${indexable}`,
);
const clearStale = statement((p: Params<{ last: number }>) =>
  query.deleteFrom('comm_search_stale').where('message_id', '<=', p.last),
);
const selectNext = statement(
  (p: Params<{ limit: number }>) => sql<{ last: number | null; found: number }>`
    select max(id) as last, count(*) as found from (
      select id from messages where id > (select indexed_to from comm_search_state) order by id limit ${p.limit}
    )`,
);
const indexNew = statement(
  (p: Params<{ last: number }>) => sql<never>`
    insert into comm_messages_search (rowid, scope, content)
    select m.id, hex(m.conversation_id), m.content from messages as m
    where m.id > (select indexed_to from comm_search_state) and m.id <= ${p.last} and ${indexable}`,
);
const moveOn = statement((p: Params<{ last: number }>) =>
  query.updateTable('comm_search_state').set({ indexed_to: p.last }),
);

/** Whether there is anything that the index doesn't have as it is now. */
export function* isBehind(): Work<boolean> {
  return (yield* first(selectPending({})))?.pending === 1;
}

/**
 * Brings the index forward by one step, within a writing transaction. Whether there is more: a step that wasn't full has
 * left nothing, and what is written after it is no reason to go on.
 */
export function* indexStep(limit = STEP): Work<boolean> {
  const stale = yield* first(selectStale({ limit }));
  if (typeof stale?.last === 'number') {
    yield* run(forgetStale({ last: stale.last }));
    yield* run(indexStale({ last: stale.last }));
    yield* run(clearStale({ last: stale.last }));
  }
  const next = yield* first(selectNext({ limit }));
  if (typeof next?.last === 'number') {
    yield* run(indexNew({ last: next.last }));
    yield* run(moveOn({ last: next.last }));
  }
  return stale?.found === limit || next?.found === limit;
}

/** All of it at once: for a migration, when nobody is waiting. */
export function* indexRest(): Work<void> {
  while (yield* indexStep(100_000));
}
