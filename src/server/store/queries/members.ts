import { sql } from 'kysely';
import { LIMITS } from '../../../protocol/limits.ts';
import { ParticipantMarkers } from './participant-markers.ts';
import { slowestMarkers, type Slowest } from './receipts.ts';
import { toParticipantRow, toRole, type ParticipantRow, type ParticipantTuple } from './rows.ts';
import { arrayStatement, listed, query, statement, type Params } from '../engine/statement.ts';
import { all, first, run, type Work } from '../engine/work.ts';
import type { ConversationType, Role } from '../../../protocol/constants.ts';

interface Pair {
  conversationId: string;
  userId: string;
}

/** A conversation and the role of one member in it. */
export interface Membership {
  readonly type: ConversationType;
  readonly name: string | null;
  readonly role: Role;
  /** True: only owners and admins may send. */
  readonly frozen: boolean;
  readonly seq: number;
  readonly rev: number;
  /** `seq` of the first reply that is shown in its thread only. */
  readonly side_start: number | null;
}

/** What decides whether a member may send. */
export interface PostingFacts {
  readonly role: Role;
  readonly frozen: boolean;
  /** 0 without slow mode. */
  readonly slowModeSeconds: number;
}

const selectMembership = statement((p: Params<Pair>) =>
  query
    .selectFrom('conversation_participants as p')
    .innerJoin('conversations as c', 'c.id', 'p.conversation_id')
    .select(['c.type', 'c.name', 'p.role', 'c.frozen', 'c.seq', 'c.rev', 'c.side_start'])
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
const MARKER_COLUMNS = sql`p.conversation_id, p.user_id, p.role, p.joined_at, p.last_read_seq, p.last_read_at,
  p.last_delivered_seq`;
const PARTICIPANT_COLUMNS = sql`${MARKER_COLUMNS}, profile.display_name, profile.avatar_url`;
const PROFILE = sql`left join comm_profiles as profile on profile.user_id = p.user_id`;
/**
 * The first participants of each conversation by user id, so that an index ends the search. A BLOB is greater than every
 * text: a conversation with fewer participants has no last one.
 */
const selectListed = arrayStatement(
  (p: Params<{ conversationIds: string; most: number }>) => sql<ParticipantTuple>`
    select ${PARTICIPANT_COLUMNS} from json_each(${p.conversationIds}) as wanted
    cross join conversation_participants as p on p.conversation_id = wanted.value and p.user_id <= coalesce((
      select user_id from conversation_participants
      where conversation_id = wanted.value order by user_id limit 1 offset ${p.most} - 1
    ), x'')
    ${PROFILE} order by p.joined_at, p.user_id`,
);
/** Those of {@link selectListed} who have read a position. The plus prevents the use of the marker index, which would visit all members. */
const selectReaders = statement(
  (p: Params<{ conversationId: string; seq: number; most: number }>) => sql<ParticipantRow>`
    select ${MARKER_COLUMNS}, null as display_name, null as avatar_url from conversation_participants as p
    where p.conversation_id = ${p.conversationId} and p.user_id <= coalesce((
      select user_id from conversation_participants
      where conversation_id = ${p.conversationId} order by user_id limit 1 offset ${p.most} - 1
    ), x'') and +p.last_read_seq >= ${p.seq} and p.last_read_at is not null
    order by p.joined_at, p.user_id`,
);
const selectCounts = statement(
  (p: Params<{ conversationIds: string }>) => sql<{ conversation_id: string; members: number }>`
    select wanted.value as conversation_id, (
      select count(*) from conversation_participants where conversation_id = wanted.value
    ) as members from json_each(${p.conversationIds}) as wanted`,
);
const selectParticipant = statement(
  (p: Params<Pair>) => sql<ParticipantRow>`
    select ${PARTICIPANT_COLUMNS} from conversation_participants as p ${PROFILE}
    where p.conversation_id = ${p.conversationId} and p.user_id = ${p.userId}`,
);
const selectPage = statement(
  (p: Params<{ conversationId: string; after: string; limit: number }>) => sql<ParticipantRow>`
    select ${PARTICIPANT_COLUMNS} from conversation_participants as p ${PROFILE}
    where p.conversation_id = ${p.conversationId} and p.user_id > ${p.after} order by p.user_id limit ${p.limit}`,
);

/** Returns the membership, or `undefined` if the conversation doesn't exist or the user isn't a member. */
export function* membershipOf(conversationId: string, userId: string): Work<Membership | undefined> {
  const row = yield* first(selectMembership({ conversationId, userId }));
  if (row === undefined) return undefined;
  return { ...row, type: row.type === 'direct' ? 'direct' : 'group', role: toRole(row.role), frozen: row.frozen === 1 };
}

/** Returns whether a user is a member of a conversation. */
export function* isMember(conversationId: string, userId: string): Work<boolean> {
  return (yield* membershipOf(conversationId, userId)) !== undefined;
}

/** Returns the members in the order in which they joined. */
export function* memberIds(conversationId: string): Work<string[]> {
  return (yield* all(selectMemberIds({ conversationId }))).map((row) => row.user_id);
}

/** Returns the owners. */
export function* ownerIds(conversationId: string): Work<string[]> {
  return (yield* all(selectOwners({ conversationId }))).map((row) => row.user_id);
}

/** The participants of a conversation that are listed with it. */
export interface ListedMembers {
  /** In the order in which they joined: all of them, or the first by user id and the reader. */
  readonly rows: readonly ParticipantRow[];
  readonly count: number;
  /** The slowest markers of all participants, if `rows` has not all of them. */
  readonly slowest?: Slowest | undefined;
}

/**
 * Returns the listed participants of several conversations.
 *
 * @param reader - listed in any case
 * @param known - conversations whose participants the reader knows: of a large group only the reader is listed
 */
export function* listedMembers(
  conversationIds: readonly string[],
  reader?: string,
  known: readonly string[] = [],
): Work<ReadonlyMap<string, ListedMembers>> {
  const found = new Map<string, ListedMembers>();
  for (const { conversation_id: id, members: count } of yield* countsOf(known)) {
    if (count <= LIMITS.listedParticipants) continue;
    const own =
      reader === undefined ? undefined : yield* first(selectParticipant({ conversationId: id, userId: reader }));
    found.set(id, { rows: own === undefined ? [] : [own], count, slowest: yield* slowestMarkers(id) });
  }
  const ids = JSON.stringify(conversationIds.filter((id) => !found.has(id)));
  const listed = yield* all(selectListed({ conversationIds: ids, most: LIMITS.listedParticipants }));
  const large: string[] = [];
  const byConversation = new Map<string, ParticipantRow[]>();
  for (const row of listed) {
    const [id] = row;
    let rows = byConversation.get(id);
    if (rows === undefined) byConversation.set(id, (rows = []));
    rows.push(toParticipantRow(row));
  }
  for (const [id, rows] of byConversation) {
    found.set(id, { rows, count: rows.length });
    if (rows.length >= LIMITS.listedParticipants) large.push(id);
  }
  for (const { conversation_id: id, members } of yield* countsOf(large)) {
    const rows = found.get(id)?.rows ?? [];
    if (members <= rows.length) continue;
    const own =
      reader === undefined || rows.some((row) => row.user_id === reader)
        ? undefined
        : yield* first(selectParticipant({ conversationId: id, userId: reader }));
    const slowest = yield* slowestMarkers(id);
    found.set(id, { rows: own === undefined ? rows : [own, ...rows.slice(0, -1)], count: members, slowest });
  }
  return found;
}

/**
 * Returns the markers on which the statuses and readers of the messages from `seq` on depend. Reads only the participants
 * who have read that far, at most as many as are listed.
 */
export function* markersFrom(conversationId: string, seq: number): Work<ParticipantMarkers> {
  const rows = yield* all(selectReaders({ conversationId, seq, most: LIMITS.listedParticipants }));
  return new ParticipantMarkers({ rows, slowest: yield* slowestMarkers(conversationId) });
}

function* countsOf(ids: readonly string[]): Work<readonly { conversation_id: string; members: number }[]> {
  return ids.length === 0 ? [] : yield* all(selectCounts({ conversationIds: JSON.stringify(ids) }));
}

/** Returns a page of the participants, ordered by user id. */
export function* memberPage(conversationId: string, after: string, limit: number): Work<readonly ParticipantRow[]> {
  return yield* all(selectPage({ conversationId, after, limit }));
}

/** Returns the number of participants. */
export function* memberCount(conversationId: string): Work<number> {
  const row = yield* first(selectCounts({ conversationIds: JSON.stringify([conversationId]) }));
  return row?.members ?? 0;
}

/** Returns the participants among these users. */
export function* membersAmong(conversationId: string, userIds: readonly string[]): Work<readonly ParticipantRow[]> {
  const rows: ParticipantRow[] = [];
  for (const userId of userIds) {
    const row = yield* first(selectParticipant({ conversationId, userId }));
    if (row !== undefined) rows.push(row);
  }
  return rows;
}

// Changes

const advanceInboxRevs = statement(
  (p: Params<{ userIds: string }>) =>
    sql<never>`
    insert into comm_users (user_id, inbox_rev) select value, 1 from json_each(${p.userIds}) where true
    on conflict (user_id) do update set inbox_rev = comm_users.inbox_rev + 1`,
);
const insertMembers = statement(
  (p: Params<{ conversationId: string; userIds: string; ownerId: string | null; now: string }>) =>
    sql<never>`
    insert into conversation_participants
      (conversation_id, user_id, role, joined_at, last_read_seq, last_delivered_seq, inbox_rev, joined_inbox_rev,
        joined_seq, joined_rev, active_hour)
    select c.id, u.user_id, case when u.user_id = ${p.ownerId} then 'owner' else 'member' end, ${p.now},
      c.seq, c.seq, u.inbox_rev, u.inbox_rev, c.seq, c.rev, substr(replace(c.updated_at, ' ', 'T'), 1, 13)
    from conversations as c join comm_users as u on u.user_id in ${listed(p.userIds)}
    where c.id = ${p.conversationId}`,
);
const deleteDepartures = statement((p: Params<{ conversationId: string; userIds: string }>) =>
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
const selectNextOwner = statement(
  (p: Params<{ conversationId: string }>) =>
    sql<{ user_id: string; role: string }>`
    select user_id, role from conversation_participants where conversation_id = ${p.conversationId}
    order by case role when 'owner' then 0 when 'admin' then 1 else 2 end, replace(joined_at, ' ', 'T'), user_id limit 1`,
);

/** Adds users who aren't members yet. They see the whole history, which counts as delivered and read. */
export function* addMembers(
  conversationId: string,
  userIds: readonly string[],
  { ownerId, now }: { ownerId?: string | undefined; now: string },
): Work<void> {
  const ids = JSON.stringify(userIds);
  yield* run(advanceInboxRevs({ userIds: ids }));
  yield* run(insertMembers({ conversationId, userIds: ids, ownerId: ownerId ?? null, now }));
  yield* run(deleteDepartures({ conversationId, userIds: ids }));
}

/** Removes a member. A trigger records the departure for the user's other devices. */
export function* removeMember(conversationId: string, userId: string): Work<void> {
  yield* run(deleteMember({ conversationId, userId }));
}

/** Sets the role of a member. */
export function* setRole(conversationId: string, userId: string, role: Role): Work<void> {
  yield* run(updateRole({ conversationId, userId, role }));
}

/**
 * Ensures that a group with members has an owner: promotes the admin with the longest membership, else the member with
 * the longest membership.
 *
 * @returns the promoted user
 */
export function* ensureOwner(conversationId: string): Work<string | undefined> {
  const nextOwner = yield* first(selectNextOwner({ conversationId }));
  if (nextOwner === undefined || nextOwner.role === 'owner') return undefined;
  yield* setRole(conversationId, nextOwner.user_id, 'owner');
  return nextOwner.user_id;
}
