import { sql } from 'kysely';
import { MESSAGE_COLUMNS } from './messages.ts';
import type { MessageRow } from './rows.ts';
import { statement, type Params } from './statement.ts';
import { all, type Work } from './work.ts';
import { conversationIdsOf, hasMoreConversations } from './users.ts';

/** Up to here a user's conversations narrow the search inside the index; beyond, rows are filtered as they come. */
const MAX_SCOPES = 64;

const columns = sql.join(MESSAGE_COLUMNS.map((column) => sql.ref(column)));

/** In descending order of ids, which the index yields by itself: it stops at the limit, however common the word. */
const selectFound = statement(
  (p: Params<{ match: string; limit: number }>) => sql<MessageRow>`
    select ${columns} from comm_messages_search as found
    cross join messages on messages.id = found.rowid
    where found.comm_messages_search match ${p.match}
    order by found.rowid desc limit ${p.limit}`,
);
const selectFoundByMember = statement(
  (p: Params<{ match: string; userId: string; limit: number }>) => sql<MessageRow>`
    select ${columns} from comm_messages_search as found
    cross join messages on messages.id = found.rowid
    where found.comm_messages_search match ${p.match} and exists (
      select 1 from conversation_participants as p
      where p.conversation_id = messages.conversation_id and p.user_id = ${p.userId}
    )
    order by found.rowid desc limit ${p.limit}`,
);

export interface Search {
  readonly text: string;
  readonly limit: number;
  /** Only in this conversation. */
  readonly conversationId?: string | undefined;
  /** Only where this user is a member; absent: everywhere, for callers that are trusted. */
  readonly userId?: string | undefined;
}

/** Messages that have all the words, the last one as a prefix; newest first. */
export function* findMessages({ text, limit, conversationId, userId }: Search): Work<readonly MessageRow[]> {
  const words = matchExpression(text);
  if (words === undefined) return [];
  if (conversationId !== undefined) {
    const match = scoped(words, [conversationId]);
    return yield* all(
      userId === undefined ? selectFound({ match, limit }) : selectFoundByMember({ match, userId, limit }),
    );
  }
  if (userId === undefined) return yield* all(selectFound({ match: words, limit }));
  if (yield* hasMoreConversations(userId, MAX_SCOPES))
    return yield* all(selectFoundByMember({ match: words, userId, limit }));
  const mine = yield* conversationIdsOf(userId);
  if (mine.length === 0) return [];
  const match = scoped(words, mine);
  return yield* all(selectFoundByMember({ match, userId, limit }));
}

/**
 * What a person typed as an FTS5 expression (https://sqlite.org/fts5.html, "FTS5 Strings"): each word between double
 * quotes, where nothing has a meaning but the quote itself. Undefined when there is no letter or digit in it.
 */
export function matchExpression(text: string): string | undefined {
  const words = text.split(/[\s\p{Cc}]+/u).filter((word) => /[\p{L}\p{N}\p{Co}]/u.test(word));
  if (words.length === 0) return undefined;
  return `content : (${words.map((word) => `"${word.replaceAll('"', '""')}"`).join(' AND ')} *)`;
}

function scoped(words: string, conversationIds: readonly string[]): string {
  const tokens = conversationIds.map((id) => `"${Buffer.from(id).toString('hex')}"`);
  return `scope : (${tokens.join(' OR ')}) AND ${words}`;
}
