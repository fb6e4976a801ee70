import { sql } from 'kysely';
import type { BrowsePage } from '../../../../protocol/groups.ts';
import { matchesName, namePatterns } from './name-patterns.ts';
import { arrayStatement, statement, type Params } from '../../engine/statement.ts';
import { all, first, type Work } from '../../engine/work.ts';

/** Public groups whose names one page of a search compares, which takes a few milliseconds. */
const MAX_COMPARED = 5_000;

interface Page {
  userId: string;
  limit: number;
  /** Id before which the page starts; null for the first page. */
  before: string | null;
}

/** The condition of the index, so that only public groups are visited. A BLOB is greater than every text. */
const after = (p: Params<Pick<Page, 'before'>>) => sql`
  from conversations where visibility = 'public' and type = 'group' and id < coalesce(${p.before}, x'') order by id desc`;
const mayEnter = (p: Params<Pick<Page, 'userId'>>) => sql`
  not exists (select 1 from comm_bans as b where b.conversation_id = id and b.user_id = ${p.userId})`;

const selectPublic = arrayStatement(
  (p: Params<Page>) => sql<readonly [id: string]>`
    select id from (select id ${after(p)} limit ${MAX_COMPARED})
    where ${mayEnter(p)} order by id desc limit ${p.limit}`,
);
const selectNamed = arrayStatement(
  (p: Params<Page & { patterns: string }>) => sql<readonly [id: string]>`
    select id from (select id, name ${after(p)} limit ${MAX_COMPARED})
    where ${matchesName(sql`name`, p.patterns)} and ${mayEnter(p)} order by id desc limit ${p.limit}`,
);
const selectLastCompared = arrayStatement(
  (p: Params<Pick<Page, 'before'>>) =>
    sql<readonly [id: string]>`select id ${after(p)} limit 1 offset ${MAX_COMPARED - 1}`,
);
const selectGroups = statement(
  (p: Params<{ userId: string; ids: string }>) => sql<{
    id: string;
    name: string | null;
    description: string | null;
    avatar_url: string | null;
    members: number;
    joined: number;
  }>`
    select c.id, c.name, c.description, c.avatar_url,
      (select count(*) from conversation_participants where conversation_id = c.id) as members,
      exists (
        select 1 from conversation_participants where conversation_id = c.id and user_id = ${p.userId}
      ) as joined
    from json_each(${p.ids}) as wanted cross join conversations as c on c.id = wanted.value order by wanted.key`,
);

/**
 * Returns a page of the public groups that the user may enter or is a member of, newest first. A search compares a limited
 * number of names and then ends the page, so that it can be empty although others follow.
 *
 * @param query - a part of the name
 */
export function* publicGroups(
  userId: string,
  { query, limit, cursor }: { query?: string | undefined; limit: number; cursor?: string | undefined },
): Work<BrowsePage> {
  const page: Page = { userId, limit: limit + 1, before: cursor ?? null };
  const rows = yield* all(
    query === undefined ? selectPublic(page) : selectNamed({ ...page, patterns: namePatterns(query) }),
  );
  const ids = rows.slice(0, limit).map(([id]) => id);
  const next = rows.length > limit ? ids.at(-1) : (yield* first(selectLastCompared({ before: page.before })))?.[0];
  const groups = ids.length === 0 ? [] : yield* all(selectGroups({ userId, ids: JSON.stringify(ids) }));
  return {
    conversations: groups.map(({ id, name, description, avatar_url: avatarUrl, members, joined }) => ({
      id,
      ...(name !== null && { name }),
      ...(typeof description === 'string' && { description }),
      ...(typeof avatarUrl === 'string' && { avatarUrl }),
      memberCount: members,
      joined: joined === 1,
    })),
    ...(next !== undefined && { cursor: next }),
  };
}
