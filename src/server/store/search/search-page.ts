import { sql } from 'kysely';
import { MESSAGE_COLUMNS } from '../queries/messages.ts';
import { countFitting, type PageSize } from '../queries/page-size.ts';
import type { MessageRow } from '../queries/rows.ts';
import { statement, type Params } from '../engine/statement.ts';
import { all, type Work } from '../engine/work.ts';

const columns = sql.join(MESSAGE_COLUMNS.map((column) => sql.ref(column)));

const selectRows = statement(
  (p: Params<{ ids: string }>) => sql<MessageRow>`
    select ${columns} from json_each(${p.ids}) as wanted
    cross join messages on messages.id = cast(wanted.value as bigint)
    order by wanted.key`,
);
/** The memberships are checked in the statement that reads the rows. */
const selectRowsOfMember = statement(
  (p: Params<{ ids: string; userId: string }>) => sql<MessageRow>`
    select ${columns} from json_each(${p.ids}) as wanted
    cross join messages on messages.id = cast(wanted.value as bigint)
    where exists (
      select 1 from conversation_participants as p
      where p.conversation_id = messages.conversation_id and p.user_id = ${p.userId}
    )
    order by wanted.key`,
);
/** A message that was found, with the time and the size by which pages are cut. */
export interface Found {
  readonly id: number;
  readonly at: string;
  readonly bytes: number;
}

/** Parameters of a search. */
export interface Search {
  readonly text: string;
  readonly size: PageSize;
  /** Searches only this conversation. */
  readonly conversationId?: string | undefined;
  /** Searches only conversations of this user; if absent, all: for trusted callers. */
  readonly userId?: string | undefined;
}

/** Rows that were found, and whether there are more. */
export interface SearchPage {
  readonly rows: readonly MessageRow[];
  readonly hasMore: boolean;
}

/** Returns the rows of the messages that fit in the page. @param isComplete - whether all that match were searched */
export function* rowsOfPage({ size, userId }: Search, found: readonly Found[], isComplete: boolean): Work<SearchPage> {
  const taken = found.slice(0, countFitting(found, size));
  const ids = JSON.stringify(taken.map(({ id }) => id));
  const rows = yield* all(userId === undefined ? selectRows({ ids }) : selectRowsOfMember({ ids, userId }));
  return { rows, hasMore: taken.length < found.length || !isComplete };
}
