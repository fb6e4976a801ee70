import { sql } from 'kysely';
import { statement, type Params } from '../engine/statement.ts';
import { all, run, type Work } from '../engine/work.ts';
import type { IndexWriter } from './search-index.ts';
import { indexTerms } from './search-terms.ts';

/** Bytes of a term, and the greatest position, that Postgres stores (https://www.postgresql.org/docs/current/textsearch-limitations.html). */
const MAX_TERM_BYTES = 2_046;
const MAX_POSITION = 16_383;

interface TextRow {
  readonly id: number;
  readonly conversation_id: string;
  readonly content: string;
  readonly attachment: string | null;
}

const indexable = sql<boolean>`m.encrypted = 0 and m.type not in ('system', 'call')
  and (m.content <> '' or m.deleted_at is null and m.attachment is not null)`;
const columns = sql`m.id, m.conversation_id, m.content, m.attachment`;
const selectStale = statement(
  (p: Params<{ last: number }>) => sql<TextRow>`
    select ${columns} from comm_search_stale as stale join messages as m on m.id = stale.message_id
    where stale.message_id <= ${p.last} and ${indexable}`,
);
const selectNew = statement(
  (p: Params<{ last: number }>) => sql<TextRow>`
    select ${columns} from messages as m
    where m.id > (select indexed_to from comm_search_state) and m.id <= ${p.last} and ${indexable}`,
);
const forgetStale = statement(
  (p: Params<{ last: number }>) => sql<never>`
    delete from comm_search where message_id in (
      select message_id from comm_search_stale where message_id <= ${p.last}
    )`,
);
const insertTerms = statement(
  (p: Params<{ rows: string }>) => sql<never>`
    insert into comm_search (message_id, conversation_id, terms)
    select cast(value ->> 0 as bigint), value ->> 1, cast(value ->> 2 as tsvector) from json_each(${p.rows})
    where true on conflict do nothing`,
);

/** Writes the index in Postgres: the terms of each message with their positions, split here as FTS5 would. */
export const POSTGRES_INDEX: IndexWriter = {
  forgetStale: ({ last }) => run(forgetStale({ last })),
  *indexStale({ last }) {
    yield* insert(yield* all(selectStale({ last })));
  },
  *indexNew({ last }) {
    yield* insert(yield* all(selectNew({ last })));
  },
};

/** Returns a term as it is stored. */
export function storedTerm(term: string): string {
  if (term.length * 4 <= MAX_TERM_BYTES) return term;
  return Buffer.from(term)
    .subarray(0, MAX_TERM_BYTES)
    .toString()
    .replace(/\u{fffd}$/u, '');
}

function* insert(rows: readonly TextRow[]): Work<void> {
  const indexed = rows.flatMap((row) => {
    const terms = indexTerms(textOf(row)).map((term, at) => `'${storedTerm(term)}':${Math.min(at + 1, MAX_POSITION)}`);
    return terms.length === 0 ? [] : [[row.id, row.conversation_id, terms.join(' ')]];
  });
  if (indexed.length > 0) yield* run(insertTerms({ rows: JSON.stringify(indexed) }));
}

/** The text of a message: its content or, without a caption, the name of its first file. */
function textOf({ content, attachment }: TextRow): string {
  if (content !== '' || attachment === null) return content;
  try {
    const file: unknown = JSON.parse(attachment);
    const name: unknown = typeof file === 'object' && file !== null ? Reflect.get(file, 'fileName') : undefined;
    return typeof name === 'string' ? name : '';
  } catch {
    return '';
  }
}
