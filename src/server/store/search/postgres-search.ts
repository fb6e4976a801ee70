import { sql, type RawBuilder } from 'kysely';
import { storedBytes } from '../queries/page-size.ts';
import { statement, type Params } from '../engine/statement.ts';
import { all, type Statement, type Work } from '../engine/work.ts';
import { rowsOfPage, type Found, type Search, type SearchPage } from './search-page.ts';
import { indexTerms, wordsOf } from './search-terms.ts';
import { storedTerm } from './postgres-index.ts';

const found = (p: Params<{ terms: string; limit: number }>, scope: RawBuilder<unknown>) => sql<Found>`
    select messages.id, replace(messages.created_at, ' ', 'T') as at, ${storedBytes} as bytes
    from comm_search as found join messages on messages.id = found.message_id
    where found.terms @@ cast(${p.terms} as tsquery) ${scope}
    order by found.message_id desc limit ${p.limit}`;
const selectInAll = statement((p: Params<{ terms: string; limit: number }>) => found(p, sql``));
const selectInOne = statement((p: Params<{ terms: string; limit: number; conversationId: string }>) =>
  found(p, sql`and found.conversation_id = ${p.conversationId}`),
);
const selectOfUser = statement((p: Params<{ terms: string; limit: number; userId: string }>) =>
  found(
    p,
    sql`and found.conversation_id in (
      select conversation_id from conversation_participants where user_id = ${p.userId}
    )`,
  ),
);

/** Returns what the search in SQLite returns; see `findMessages`. */
export function* findInPostgres(search: Search, completes: boolean): Work<SearchPage> {
  const exact = queryOf(search.text, '');
  if (exact === undefined) return { rows: [], hasMore: false };
  // One more than requested shows whether there are more.
  const limit = search.size.limit + 1;
  let rows = yield* all(select(search, exact, limit));
  if (completes && rows.length < limit) rows = yield* all(select(search, queryOf(search.text, ':*') ?? exact, limit));
  return yield* rowsOfPage(search, rows, completes);
}

function select({ conversationId, userId }: Search, terms: string, limit: number): Statement<Found> {
  if (conversationId !== undefined) return selectInOne({ terms, limit, conversationId });
  return userId === undefined ? selectInAll({ terms, limit }) : selectOfUser({ terms, limit, userId });
}

/** Returns a `tsquery`: all words, the terms of each one after the other. @param last - follows the last term */
function queryOf(text: string, last: '' | ':*'): string | undefined {
  const words = wordsOf(text).flatMap((word) => {
    const terms = indexTerms(word).map((term) => `'${storedTerm(term)}'`);
    return terms.length === 0 ? [] : [terms.join(' <-> ')];
  });
  return words.length === 0 ? undefined : `${words.join(' & ')}${last}`;
}
