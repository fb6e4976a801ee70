import { sql } from 'kysely';
import type { ActiveCall } from '../../../protocol/calls.ts';
import type { PresenceStatus } from '../../../protocol/constants.ts';
import { conversationType } from './conversations.ts';
import { filteredIds, isFiltered, type InboxFilter } from './groups/filtered-inbox.ts';
import { SETTINGS_COLUMNS, SETTINGS_COUNT, settingsJson, type SettingsTuple } from './groups/settings.ts';
import { listedMembers, type ListedMembers } from './members.ts';
import { writeMessages } from './message-mapper.ts';
import { MESSAGE_COLUMNS } from './messages.ts';
import { countWritten, type PageSize } from './page-size.ts';
import { ParticipantMarkers } from './participant-markers.ts';
import { slowestOther } from './receipts.ts';
import { lastMainSeq } from './threads/main-timeline.ts';
import { ownFlagsRev } from './own-flags.ts';
import { toUnreadState, unreadColumns, type UnreadColumns } from './threads/unread-state.ts';
import { isoTime, participantJson, quote, type MessageTuple } from './rows.ts';
import { arrayStatement, type Params } from '../engine/statement.ts';
import { all, first, type Work } from '../engine/work.ts';

/**
 * A conversation, written as JSON in pieces. The presence of `userIds[n]` belongs between `pieces[n]` and the next piece,
 * because it isn't in the database.
 */
export interface ConversationJson {
  readonly id: string;
  readonly pieces: readonly string[];
  readonly userIds: readonly string[];
}

/** A page of conversations, written as JSON. */
export interface ConversationJsonPage {
  readonly conversations: readonly ConversationJson[];
  readonly hasMore: boolean;
}

/**
 * The hours of activity between which a page lies, and the number of conversations in later hours. `first` is null if the
 * page is empty, `last` if it reaches the end.
 */
const selectHours = arrayStatement(
  (p: Params<{ userId: string; offset: number; end: number }>) => sql<
    readonly [first: string | null, last: string | null, later: number]
  >`
    select first, (
      select active_hour from conversation_participants
      where user_id = ${p.userId} and active_hour is not null order by active_hour desc limit 1 offset ${p.end}
    ) as last, (
      select count(*) from conversation_participants where user_id = ${p.userId} and active_hour > first
    ) as later
    from (select (
      select active_hour from conversation_participants
      where user_id = ${p.userId} and active_hour is not null order by active_hour desc limit 1 offset ${p.offset}
    ) as first)`,
);
/** Sorts only the conversations of the hours of the page. */
const selectPage = arrayStatement(
  (p: Params<{ userId: string; first: string; last: string; limit: number; offset: number }>) => sql<
    readonly [id: string]
  >`
    select c.id from conversation_participants as p
    cross join conversations as c on c.id = p.conversation_id
    where p.user_id = ${p.userId} and p.active_hour <= ${p.first} and p.active_hour >= ${p.last}
    order by replace(c.updated_at, ' ', 'T') desc, c.id limit ${p.limit} offset ${p.offset}`,
);

type ConversationTuple = readonly [
  id: string,
  type: string,
  name: string | null,
  createdAt: string,
  updatedAt: string,
  seq: number,
  rev: number,
  membersRev: number,
  // Columns that an app created may contain null.
  muted: number | null,
  pinned: number | null,
  archived: number | null,
  flagsRev: number,
  unread: number,
  unreadMentions: number,
  firstUnread: string | null,
  followed: string,
  readSeq: number,
  ...settingsAndLastMessage: (string | number | null)[],
];
/** Number of columns of {@link ConversationTuple} before the settings, and before the last message. */
const OWN_COLUMNS = 17;
const BEFORE_MESSAGE = OWN_COLUMNS + SETTINGS_COUNT;
/** `cross join`, so that the query starts from the requested ids and not from all conversations of the user. */
const selectRows = arrayStatement(
  (p: Params<{ userId: string; ids: string }>) => sql<ConversationTuple>`
    select c.id as c_id, c.type as c_type, c.name as c_name, c.created_at as c_created_at, c.updated_at as c_updated_at,
      c.seq as c_seq, c.rev as c_rev, c.members_rev, p.muted, p.pinned, p.archived, ${ownFlagsRev} as flags_rev,
      ${unreadColumns}, ${SETTINGS_COLUMNS},
      ${sql.join(MESSAGE_COLUMNS.map((column) => sql.ref(column)))}
    from json_each(${p.ids}) as wanted
    cross join conversation_participants as p on p.conversation_id = wanted.value and p.user_id = ${p.userId}
    cross join conversations as c on c.id = p.conversation_id
    left join messages on messages.conversation_id = c.id and messages.seq = ${lastMainSeq}`,
);

/** Conversations per statement, so that few of those that don't fit in a page are read. */
const BATCH_SIZE = 50;

/** Returns a page of the user's conversations and whether there are more: newest activity first, or filtered. */
export function* writeConversationPage(
  userId: string,
  size: PageSize,
  offset: number,
  filter: InboxFilter = {},
): Work<ConversationJsonPage> {
  if (isFiltered(filter)) {
    const ids = yield* filteredIds(userId, filter, { limit: size.limit + 1, offset });
    return yield* writePage(userId, ids, size);
  }
  const hours = yield* first(selectHours({ userId, offset, end: offset + size.limit }));
  const [from, to, later] = hours ?? [null, null, 0];
  if (from === null) return { conversations: [], hasMore: false };
  // One row more than requested shows whether there are more.
  const limit = size.limit + 1;
  const found = yield* all(selectPage({ userId, first: from, last: to ?? '', limit, offset: offset - later }));
  return yield* writePage(
    userId,
    found.map(([id]) => id),
    size,
  );
}

/** @param found - ids of the page and, if there are more, of the next conversation */
function* writePage(userId: string, found: readonly string[], size: PageSize): Work<ConversationJsonPage> {
  const ids = found.slice(0, size.limit);
  const conversations: ConversationJson[] = [];
  for (let at = 0; at < ids.length; at += BATCH_SIZE) {
    conversations.push(...(yield* writeConversations(userId, ids.slice(at, at + BATCH_SIZE))));
    const count = countWritten(conversations.map(toMeasured), size.bytes);
    if (count < conversations.length) return { conversations: conversations.slice(0, count), hasMore: true };
  }
  return { conversations, hasMore: found.length > ids.length };
}

/**
 * Returns the JSON of a conversation with the presence of its participants and its running call. Users without an entry are
 * offline.
 */
export function joinConversation(
  { pieces, userIds }: ConversationJson,
  statuses: ReadonlyMap<string, PresenceStatus>,
  activeCall?: ActiveCall,
): string {
  let json = pieces[0] ?? '';
  for (const [at, userId] of userIds.entries()) json += (statuses.get(userId) ?? 'offline') + (pieces[at + 1] ?? '');
  return activeCall === undefined ? json : `${json.slice(0, -1)},"activeCall":${JSON.stringify(activeCall)}}`;
}

/** Returns a text that is at least as long as the JSON of the conversation: no status is longer than `offline`. */
function toMeasured({ pieces }: ConversationJson): string {
  return pieces.join('offline');
}

/** Writes the JSON of the conversations that `loadConversations` returns, in the given order. */
function* writeConversations(userId: string, ids: readonly string[]): Work<ConversationJson[]> {
  if (ids.length === 0) return [];
  const rows = new Map((yield* all(selectRows({ userId, ids: JSON.stringify(ids) }))).map((row) => [row[0], row]));
  const people = yield* listedMembers([...rows.keys()], userId);
  const last: MessageTuple[] = [];
  for (const row of rows.values()) {
    if (row[BEFORE_MESSAGE] !== null) last.push(row.slice(BEFORE_MESSAGE) as unknown as MessageTuple);
  }
  const written = yield* writeMessages(last, (id) => new ParticipantMarkers(people.get(id)));
  const lastMessages = new Map(last.map((row, at) => [row[1], written[at] ?? '']));
  return ids.flatMap((id) => {
    const row = rows.get(id);
    return row === undefined ? [] : [conversationJson(userId, row, people.get(id), lastMessages.get(id))];
  });
}

function conversationJson(
  reader: string,
  row: ConversationTuple,
  members: ListedMembers | undefined,
  lastMessage: string | undefined,
): ConversationJson {
  const [id, type, name, createdAt, updatedAt, seq, rev, membersRev, muted, pinned, archived, flagsRev] = row;
  const [, , , , , , , , , , , , unread, unread_mentions, first_unread, followed, read_seq] = row;
  const pieces: string[] = [];
  const userIds: string[] = [];
  let json = `{"id":${quote(id)},"type":"${conversationType(type)}"`;
  if (name !== null) json += `,"name":${quote(name)}`;
  json += settingsJson(type, row.slice(OWN_COLUMNS, BEFORE_MESSAGE) as unknown as SettingsTuple);
  json += ',"participants":[';
  for (const participant of members?.rows ?? []) {
    const { start, end } = participantJson(participant);
    pieces.push(userIds.length === 0 ? json + start : `${json},${start}`);
    userIds.push(participant.user_id);
    json = end;
  }
  json += `],"memberCount":${members?.count ?? 0},"membersRev":${membersRev}`;
  if (members?.slowest !== undefined) {
    const { delivered, read } = members.slowest;
    json += `,"reached":{"delivered":${slowestOther(reader, delivered)},"read":${slowestOther(reader, read)}}`;
  }
  if (lastMessage !== undefined) json += `,"lastMessage":${lastMessage}`;
  json += `,"createdAt":${quote(isoTime(createdAt))},"updatedAt":${quote(isoTime(updatedAt))},${unreadJson({ unread, unread_mentions, first_unread, followed, read_seq })}`;
  json += `,"pinned":${pinned === 1},"muted":${muted === 1},"archived":${archived === 1},"flagsRev":${flagsRev}`;
  pieces.push(`${json},"head":{"seq":${seq},"rev":${rev}}}`);
  return { id, pieces, userIds };
}

/** Writes the fields of {@link toUnreadState}. */
function unreadJson(row: UnreadColumns): string {
  return JSON.stringify(toUnreadState(row)).slice(1, -1);
}
