import type { Conversation, ConversationUpdate } from '../../protocol/conversations.ts';
import type { PresenceReader } from './ports.ts';
import type { PresenceStatus } from '../../protocol/vocabulary.ts';

export type PresenceOf = ReadonlyMap<string, PresenceStatus>;

/** Conversations come from the database without presence; this fills it in, asking once for all of them. */
export async function withPresence(
  presence: PresenceReader,
  conversations: readonly Conversation[],
): Promise<Conversation[]> {
  const userIds = new Set(conversations.flatMap(({ participants }) => participants.map(({ userId }) => userId)));
  if (userIds.size === 0) return [...conversations];
  const statuses = await presence.presenceOf([...userIds]);
  return conversations.map((each) => present(each, statuses));
}

export function present(conversation: Conversation, statuses: PresenceOf): Conversation {
  const participants = conversation.participants.map((each) => ({
    ...each,
    presence: statuses.get(each.userId) ?? 'offline',
  }));
  return { ...conversation, participants };
}

/** What of a conversation is the same for all its people, and so can be told to all of them at once. */
export function shared(conversation: Conversation): ConversationUpdate {
  const {
    unreadCount: _unread,
    pinned: _pinned,
    muted: _muted,
    archived: _archived,
    flagsRev: _flagsRev,
    lastMessage: _last,
    ...rest
  } = conversation;
  return rest;
}
