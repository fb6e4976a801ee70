import type { Conversation, ConversationUpdate, MemberChanges, Participant } from '../../../protocol/conversations.ts';
import { LIMITS } from '../../../protocol/limits.ts';
import type { ServiceDeps } from '../service-deps.ts';
import type { PresenceStatus } from '../../../protocol/constants.ts';

/** Status by user id. Users without an entry are offline. */
export type PresenceOf = ReadonlyMap<string, PresenceStatus>;

/**
 * Fills in the presence of participants and the running calls, which the database doesn't contain. One query for all
 * conversations.
 */
export async function withPresence(
  { presence, runningCalls }: Pick<ServiceDeps, 'presence' | 'runningCalls'>,
  conversations: readonly Conversation[],
): Promise<Conversation[]> {
  const userIds = new Set(conversations.flatMap(({ participants }) => participants.map(({ userId }) => userId)));
  if (userIds.size === 0) return [...conversations];
  const statuses = await presence.presenceOf([...userIds]);
  const running = runningCalls.activeCalls();
  return conversations.map((each) => {
    const activeCall = running.get(each.id);
    return { ...applyPresence(each, statuses), ...(activeCall !== undefined && { activeCall }) };
  });
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
