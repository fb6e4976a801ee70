import { sql } from 'kysely';
import { LIMITS } from '../../../../protocol/limits.ts';
import { matchesName, namePatterns } from './name-patterns.ts';
import { readSeq, unreadCount } from '../threads/unread-state.ts';
import { arrayStatement, type Params } from '../../engine/statement.ts';
import { all, type Work } from '../../engine/work.ts';

/** Selects conversations of a user. Absent fields select all. */
export interface InboxFilter {
  readonly archived?: boolean | undefined;
  readonly unread?: boolean | undefined;
  /** A part of the name of the conversation or of another listed participant. */
  readonly query?: string | undefined;
}

interface Filtered {
  userId: string;
  archived: number | null;
  unread: number | null;
  patterns: string | null;
  limit: number;
  offset: number;
}

/**
 * Pinned conversations first, then newest activity. Reads the user's conversations only, and of each at most as many
 * participants as are listed.
 */
const selectFiltered = arrayStatement(
  (p: Params<Filtered>) => sql<readonly [id: string]>`
    select c.id from conversation_participants as p cross join conversations as c on c.id = p.conversation_id
    where p.user_id = ${p.userId}
      and (cast(${p.archived} as bigint) is null or coalesce(p.archived, 0) = ${p.archived})
      and (cast(${p.unread} as bigint) is null or (c.seq > ${readSeq} and ${unreadCount} > 0) = ${p.unread})
      and (cast(${p.patterns} as text) is null or ${matchesName(sql`c.name`, p.patterns)} or exists (
        select 1 from (
          select user_id as member_id from conversation_participants where conversation_id = c.id
          order by user_id limit ${LIMITS.listedParticipants}
        ) left join comm_profiles as profile on profile.user_id = member_id
        where member_id <> p.user_id
          and ${matchesName(sql`coalesce(profile.display_name, member_id)`, p.patterns)}
      ))
    order by coalesce(p.pinned, 0) = 1 desc, replace(c.updated_at, ' ', 'T') desc, c.id
    limit ${p.limit} offset ${p.offset}`,
);

/** Returns whether a filter selects anything less than all conversations in their usual order. */
export function isFiltered({ archived, unread, query }: InboxFilter): boolean {
  return archived !== undefined || unread !== undefined || query !== undefined;
}

/** Returns the ids of a page of the user's conversations: pinned ones first, then newest activity. */
export function* filteredIds(
  userId: string,
  { archived, unread, query }: InboxFilter,
  { limit, offset }: { readonly limit: number; readonly offset: number },
): Work<string[]> {
  const flag = (value: boolean | undefined): number | null => (value === undefined ? null : Number(value));
  const rows = yield* all(
    selectFiltered({
      userId,
      archived: flag(archived),
      unread: flag(unread),
      patterns: query === undefined ? null : namePatterns(query),
      limit,
      offset,
    }),
  );
  return rows.map(([id]) => id);
}
