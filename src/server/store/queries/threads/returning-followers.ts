import { sql } from 'kysely';
import type { FollowedThread } from '../../../../protocol/threads.ts';
import { listed, statement, type Params } from '../../engine/statement.ts';
import { all, type Work } from '../../engine/work.ts';
import { followed } from './unread-state.ts';

const selectFollowers = statement(
  (p: Params<{ conversationId: string; userIds: string }>) => sql<{ user_id: string; followed: string }>`
    select p.user_id, ${followed} as followed
    from conversation_participants as p join conversations as c on c.id = p.conversation_id
    where p.conversation_id = ${p.conversationId} and p.user_id in ${listed(p.userIds)}
      and exists (select 1 from comm_thread_follows where user_id = p.user_id and conversation_id = c.id)`,
);

/** Returns the threads that users follow who have been members of the conversation before, by user id. */
export function* returningFollowers(
  conversationId: string,
  userIds: readonly string[],
): Work<ReadonlyMap<string, FollowedThread[]>> {
  const rows = yield* all(selectFollowers({ conversationId, userIds: JSON.stringify(userIds) }));
  return new Map(rows.map((row) => [row.user_id, JSON.parse(row.followed) as FollowedThread[]]));
}
