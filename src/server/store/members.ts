import { sql } from 'kysely';
import { roleFrom, type ParticipantRow } from './rows.ts';
import { listed, query, statement, type Params } from './statement.ts';
import { all, first, run, type Work } from './work.ts';
import type { ConversationType, Role } from '../../protocol/vocabulary.ts';

interface Pair {
  conversationId: string;
  userId: string;
}

/** A conversation as one of its people stands in it. */
export interface Membership {
  readonly type: ConversationType;
  readonly name: string | null;
  readonly role: Role;
  readonly seq: number;
  readonly rev: number;
}

const selectMembership = statement((p: Params<Pair>) =>
  query
    .selectFrom('conversation_participants as p')
    .innerJoin('conversations as c', 'c.id', 'p.conversation_id')
    .select(['c.type', 'c.name', 'p.role', 'c.seq', 'c.rev'])
    .where('p.conversation_id', '=', p.conversationId)
    .where('p.user_id', '=', p.userId),
);
const selectMemberIds = statement((p: Params<{ conversationId: string }>) =>
  query
    .selectFrom('conversation_participants')
    .select('user_id')
    .where('conversation_id', '=', p.conversationId)
    .orderBy('joined_at')
    .orderBy('user_id'),
);
const selectOwners = statement((p: Params<{ conversationId: string }>) =>
  query
    .selectFrom('conversation_participants')
    .select('user_id')
    .where('conversation_id', '=', p.conversationId)
    .where('role', '=', 'owner'),
);
const selectParticipants = statement((p: Params<{ conversationIds: string }>) =>
  query
    .selectFrom('conversation_participants')
    .select(['conversation_id', 'user_id', 'role', 'joined_at'])
    .select(['last_read_seq', 'last_read_at', 'last_delivered_seq'])
    .where('conversation_id', 'in', listed(p.conversationIds))
    .orderBy('joined_at')
    .orderBy('user_id'),
);

/** Undefined when there is no such conversation, or the user isn't in it: the two can't be told apart. */
export function* membershipOf(conversationId: string, userId: string): Work<Membership | undefined> {
  const row = yield* first(selectMembership({ conversationId, userId }));
  if (row === undefined) return undefined;
  return { ...row, type: row.type === 'direct' ? 'direct' : 'group', role: roleFrom(row.role) };
}

export function* memberIds(conversationId: string): Work<string[]> {
  return (yield* all(selectMemberIds({ conversationId }))).map((row) => row.user_id);
}

export function* ownerIds(conversationId: string): Work<string[]> {
  return (yield* all(selectOwners({ conversationId }))).map((row) => row.user_id);
}

/** The people of several conversations, in the order they joined. */
export function* participantRows(conversationIds: readonly string[]): Work<ReadonlyMap<string, ParticipantRow[]>> {
  const byConversation = new Map<string, ParticipantRow[]>();
  for (const row of yield* all(selectParticipants({ conversationIds: JSON.stringify(conversationIds) }))) {
    const known = byConversation.get(row.conversation_id);
    if (known === undefined) byConversation.set(row.conversation_id, [row]);
    else known.push(row);
  }
  return byConversation;
}

// Changes

const moveInboxes = statement(
  (p: Params<{ userIds: string }>) =>
    sql<never>`
    insert into comm_users (user_id, inbox_rev) select value, 1 from json_each(${p.userIds}) where true
    on conflict (user_id) do update set inbox_rev = inbox_rev + 1`,
);
const insertMembers = statement(
  (p: Params<{ conversationId: string; userIds: string; ownerId: string | null; now: string }>) =>
    sql<never>`
    insert into conversation_participants
      (conversation_id, user_id, role, joined_at, last_read_seq, last_delivered_seq, inbox_rev, joined_inbox_rev,
        joined_seq, joined_rev)
    select c.id, u.user_id, case when u.user_id = ${p.ownerId} then 'owner' else 'member' end, ${p.now},
      c.seq, c.seq, u.inbox_rev, u.inbox_rev, c.seq, c.rev
    from conversations as c join comm_users as u on u.user_id in ${listed(p.userIds)}
    where c.id = ${p.conversationId}`,
);
const forgetDepartures = statement((p: Params<{ conversationId: string; userIds: string }>) =>
  query
    .deleteFrom('comm_departures')
    .where('user_id', 'in', listed(p.userIds))
    .where('conversation_id', '=', p.conversationId),
);
const deleteMember = statement((p: Params<Pair>) =>
  query
    .deleteFrom('conversation_participants')
    .where('conversation_id', '=', p.conversationId)
    .where('user_id', '=', p.userId),
);
const updateRole = statement((p: Params<Pair & { role: string }>) =>
  query
    .updateTable('conversation_participants')
    .set({ role: p.role })
    .where('conversation_id', '=', p.conversationId)
    .where('user_id', '=', p.userId),
);
const selectHeir = statement(
  (p: Params<{ conversationId: string }>) =>
    sql<{ user_id: string; role: string }>`
    select user_id, role from conversation_participants where conversation_id = ${p.conversationId}
    order by case role when 'owner' then 0 when 'admin' then 1 else 2 end, replace(joined_at, ' ', 'T'), user_id limit 1`,
);

/** They see the whole history, and start with all of it delivered and read. Nobody of `userIds` is a member yet. */
export function* addMembers(
  conversationId: string,
  userIds: readonly string[],
  { ownerId, now }: { ownerId?: string | undefined; now: string },
): Work<void> {
  const ids = JSON.stringify(userIds);
  yield* run(moveInboxes({ userIds: ids }));
  yield* run(insertMembers({ conversationId, userIds: ids, ownerId: ownerId ?? null, now }));
  yield* run(forgetDepartures({ conversationId, userIds: ids }));
}

/** A trigger leaves the tombstone that tells the user's other devices. */
export function* removeMember(conversationId: string, userId: string): Work<void> {
  yield* run(deleteMember({ conversationId, userId }));
}

export function* setRole(conversationId: string, userId: string, role: Role): Work<void> {
  yield* run(updateRole({ conversationId, userId, role }));
}

/** Where there are people but no owner, the longest-serving admin becomes one, else the longest-serving member. */
export function* ensureOwner(conversationId: string): Work<void> {
  const heir = yield* first(selectHeir({ conversationId }));
  if (heir !== undefined && heir.role !== 'owner') yield* setRole(conversationId, heir.user_id, 'owner');
}
