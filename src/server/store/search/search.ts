import { sql } from 'kysely';
import { CommError } from '../../../protocol/errors.ts';
import { storedBytes } from '../queries/page-size.ts';
import { statement, type Params } from '../engine/statement.ts';
import { all, first, type Work } from '../engine/work.ts';
import type { ReadPlace } from '../engine/long-reads.ts';
import { findInPostgres } from './postgres-search.ts';
import { lastIndexed } from './search-index.ts';
import { rowsOfPage, type Found, type Search, type SearchPage } from './search-page.ts';
import { wordsOf } from './search-terms.ts';

/**
 * Conversations per statement. They narrow a search inside the index, so that its time doesn't depend on messages of other
 * conversations. The cost grows faster than their number.
 */
const SCOPES_PER_STATEMENT = 64;

/** The index returns rows in descending order of ids, so the query stops at the limit even for frequent words. */
const selectFound = statement(
  (p: Params<{ match: string; limit: number }>) => sql<Found>`
    select messages.id, replace(messages.created_at, ' ', 'T') as at,
      ${storedBytes} as bytes
    from comm_messages_search as found
    cross join messages on messages.id = found.rowid
    where found.comm_messages_search match ${p.match}
    order by found.rowid desc limit ${p.limit}`,
);
/** As one JSON text, because thousands of rows cost ten times as much. */
const selectScopes = statement(
  (p: Params<{ userId: string }>) => sql<{ scopes: string }>`
    select json_group_array(json_array(id, at)) as scopes from (
      select c.id, replace(c.updated_at, ' ', 'T') as at
      from conversation_participants as p join conversations as c on c.id = p.conversation_id
      where p.user_id = ${p.userId} order by at desc
    )`,
);

/** How a search may use the index. */
export interface SearchReach {
  readonly place: ReadPlace;
  /** Whether the last word also matches as a prefix. */
  readonly completes: boolean;
}

/**
 * Messages up to which a search that runs in a turn of the event loop completes the last word: this takes 70 ms for the
 * prefix of all words of a million messages.
 */
const MAX_COMPLETED_IN_TURN = 200_000;
/**
 * Messages, multiplied by the terms of a search, up to which it runs in a turn of the event loop. Terms that stand in half of
 * the messages each, and never in the same one, take 45 ns of each message.
 */
const MAX_SEARCHED_IN_TURN = 400_000;

/**
 * Returns messages that contain all words, newest first. The last word also matches as a prefix, unless messages that
 * contain it as it is fill the page: for a prefix, the index merges all words that begin with it before it returns the
 * first row.
 *
 * Within the event loop, the terms of a word such as `a.b` needn't follow each other: comparing their positions takes as long
 * as the messages are, and can't be interrupted.
 *
 * @throws CommError `UNSUPPORTED` if the database is too large to be searched within the event loop
 */
export function* findMessages(search: Search, reach: SearchReach): Work<SearchPage> {
  if (reach.place === 'postgres') return yield* findInPostgres(search, reach.completes);
  const { size } = search;
  const isInTurn = reach.place === 'turns';
  const text = isInTurn ? separateTerms(search.text) : search.text;
  const exact = matchExpression(text, 'word');
  const completed = matchExpression(text, 'prefix');
  if (exact === undefined || completed === undefined) return { rows: [], hasMore: false };
  // One more than requested shows whether there are more.
  const limit = size.limit + 1;
  const scopes = yield* scopesOf(search);
  const messages = isInTurn ? yield* lastIndexed() : 0;
  if (messages * termCounts(text).length > MAX_SEARCHED_IN_TURN) {
    throw new CommError('UNSUPPORTED', 'The database is too large to be searched without a thread', {
      fix: 'Use a file in WAL mode that node:sqlite or better-sqlite3 has opened.',
    });
  }
  const completes = reach.completes && messages <= MAX_COMPLETED_IN_TURN;
  let found = yield* find(exact, scopes, limit, { onlyIfFirstFills: completes });
  if (completes && found.length < limit) found = yield* find(completed, scopes, limit);
  return yield* rowsOfPage(search, found, completes);
}

/** Conversations to search, each with the time of its newest activity, newest first; `undefined` for all. */
type Scopes = readonly (readonly [id: string, activity: string])[] | undefined;

function* scopesOf({ conversationId, userId }: Search): Work<Scopes> {
  if (conversationId !== undefined) return [[conversationId, '']];
  if (userId === undefined) return undefined;
  return JSON.parse((yield* first(selectScopes({ userId })))?.scopes ?? '[]') as (readonly [string, string])[];
}

/**
 * Returns the newest messages that match.
 *
 * @param onlyIfFirstFills - gives up if the conversations with the newest activity don't contain enough of them
 */
function* find(
  words: string,
  scopes: Scopes,
  limit: number,
  { onlyIfFirstFills = false } = {},
): Work<readonly Found[]> {
  if (scopes === undefined) return yield* all(selectFound({ match: words, limit }));
  let found: readonly Found[] = [];
  for (let at = 0; at < scopes.length; at += SCOPES_PER_STATEMENT) {
    const oldest = found[limit - 1];
    const activity = scopes[at]?.[1] ?? '';
    // The remaining conversations have no newer message.
    if (oldest !== undefined && activity < oldest.at) break;
    if (onlyIfFirstFills && at > 0 && oldest === undefined) break;
    const ids = scopes.slice(at, at + SCOPES_PER_STATEMENT).map(([id]) => id);
    const more = yield* all(selectFound({ match: scoped(words, ids), limit }));
    if (more.length > 0) found = [...found, ...more].toSorted((a, b) => b.id - a.id).slice(0, limit);
  }
  return found;
}

/**
 * Converts user input to an FTS5 expression (https://sqlite.org/fts5.html, "FTS5 Strings"). Each word is quoted, so
 * that it has no syntax but the quote, which is escaped. Returns `undefined` if the input contains no letter or digit.
 *
 * @param last - how the last word matches
 */
export function matchExpression(text: string, last: 'word' | 'prefix'): string | undefined {
  const words = wordsOf(text);
  if (words.length === 0) return undefined;
  const quoted = words.map((word) => `"${word.replaceAll('"', '""')}"`).join(' AND ');
  return `content : (${quoted}${last === 'prefix' ? ' *' : ''})`;
}

/**
 * Returns the number of terms of each word, as the index splits them: a term is a run of letters, digits, characters for
 * private use and combining marks.
 */
export function termCounts(text: string): number[] {
  return wordsOf(text).map((word) => termsOf(word).length);
}

/** Returns the terms of all words as words of their own, each once. The last one stays last. */
function separateTerms(text: string): string {
  const terms = wordsOf(text).flatMap(termsOf);
  return terms.filter((term, at) => terms.lastIndexOf(term) === at).join(' ');
}

function termsOf(word: string): string[] {
  return word.match(/[\p{L}\p{N}\p{Co}\p{M}]+/gu) ?? [];
}

function scoped(words: string, conversationIds: readonly string[]): string {
  const tokens = conversationIds.map((id) => `"${Buffer.from(id).toString('hex')}"`);
  return `scope : (${tokens.join(' OR ')}) AND ${words}`;
}
