import type { Conversation, ConversationUpdate, MemberChanges, Participant } from '../../../protocol/conversations.ts';
import { LIMITS } from '../../../protocol/limits.ts';
import type { HiddenPresence } from '../../store/queries/people/blocks.ts';
import type { Broadcaster } from '../ports.ts';
import type { ServiceDeps } from '../service-deps.ts';
import type { PresenceStatus } from '../../../protocol/constants.ts';

/** Status by user id. Users without an entry are offline. */
export type PresenceOf = ReadonlyMap<string, PresenceStatus>;

/**
 * Fills in the presence of participants, as the viewer may see it, and the running calls, which the database doesn't contain.
 * One query for all conversations.
 */
export async function withPresence(
  { presence, runningCalls }: Pick<ServiceDeps, 'presence' | 'runningCalls'>,
  viewer: string,
  conversations: readonly Conversation[],
): Promise<Conversation[]> {
  const userIds = listedIds(conversations);
  if (userIds.length === 0) return [...conversations];
  const statuses = await presence.presenceOf(userIds, viewer);
  const running = await runningCalls.activeCalls(conversations.map(({ id }) => id));
  return conversations.map((each) => {
    const activeCall = running.get(each.id);
    return { ...applyPresence(each, statuses), ...(activeCall !== undefined && { activeCall }) };
  });
}

/** Returns the ids of the listed participants, each once. */
export function listedIds(conversations: readonly Conversation[]): string[] {
  return [...new Set(conversations.flatMap(({ participants }) => participants.map(({ userId }) => userId)))];
}

/**
 * Pushes a change to the members of a conversation. Members who have blocked a listed participant, or are blocked by one, get a
 * push of their own without that presence.
 */
export function pushConversation(
  broadcaster: Pick<Broadcaster, 'toConversation' | 'toUser'>,
  data: ConversationUpdate,
  hidden: HiddenPresence,
): void {
  if (hidden === 'all') {
    broadcaster.toConversation(data.id, { event: 'conversation:updated', data: withoutPresence(data, () => true) });
    return;
  }
  const viewers = [...hidden.keys()];
  const options = viewers.length === 0 ? undefined : { exceptUserIds: viewers };
  broadcaster.toConversation(data.id, { event: 'conversation:updated', data }, options);
  for (const [viewer, userIds] of hidden) {
    broadcaster.toUser(viewer, {
      event: 'conversation:updated',
      data: withoutPresence(data, (userId) => userIds.has(userId)),
    });
  }
}

/** Pushes a new conversation to its members, each as {@link pushConversation} does. */
export function pushNewConversation(
  broadcaster: Pick<Broadcaster, 'toUsers' | 'toUser'>,
  members: readonly string[],
  data: Conversation,
  hidden: HiddenPresence,
): void {
  if (hidden === 'all') {
    broadcaster.toUsers(members, { event: 'conversation:new', data: withoutPresence(data, () => true) });
    return;
  }
  const others = hidden.size === 0 ? members : members.filter((id) => !hidden.has(id));
  broadcaster.toUsers(others, { event: 'conversation:new', data });
  for (const [viewer, userIds] of hidden) {
    if (!members.includes(viewer)) continue;
    broadcaster.toUser(viewer, {
      event: 'conversation:new',
      data: withoutPresence(data, (userId) => userIds.has(userId)),
    });
  }
}

/** Returns a conversation as one of its members may see it. */
export function visibleTo<T extends ConversationUpdate>(viewer: string, data: T, hidden: HiddenPresence): T {
  if (hidden === 'all') return withoutPresence(data, () => true);
  const userIds = hidden.get(viewer);
  return userIds === undefined ? data : withoutPresence(data, (userId) => userIds.has(userId));
}

function withoutPresence<T extends ConversationUpdate>(data: T, isHidden: (userId: string) => boolean): T {
  const hide = (each: Participant): Participant => (isHidden(each.userId) ? { ...each, presence: 'offline' } : each);
  const { participants, members } = data;
  return {
    ...data,
    ...(participants && { participants: participants.map(hide) }),
    ...(members && { members: { ...members, changed: members.changed.map(hide) } }),
  };
}

/** Returns the conversation with the participants' presence filled in. */
export function applyPresence(conversation: Conversation, statuses: PresenceOf): Conversation {
  return { ...conversation, participants: conversation.participants.map((each) => present(each, statuses)) };
}

/** Returns the participant with the presence filled in. */
export function present(participant: Participant, statuses: PresenceOf): Participant {
  return { ...participant, presence: statuses.get(participant.userId) ?? 'offline' };
}

/**
 * Returns the fields that are equal for all members, so that one push serves all of them. Of a large group, only the
 * changed members are sent.
 */
export function toConversationUpdate(
  conversation: Conversation,
  members: MemberChanges = { changed: [], left: [] },
): ConversationUpdate {
  const {
    unreadCount: _unread,
    unreadMentions: _mentions,
    unreadThreads: _threads,
    followedThreads: _followed,
    firstUnreadId: _first,
    readSeq: _readSeq,
    pinned: _pinned,
    muted: _muted,
    archived: _archived,
    flagsRev: _flagsRev,
    reached: _reached,
    lastMessage: _last,
    ...rest
  } = conversation;
  if ((rest.memberCount ?? 0) <= LIMITS.listedParticipants) return rest;
  const { participants: _participants, ...common } = rest;
  return { ...common, members: { ...members, changed: members.changed.slice(0, LIMITS.listedParticipants) } };
}
