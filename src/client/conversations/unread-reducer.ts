import type { Conversation } from '../../protocol/conversations.ts';
import type { Message } from '../../protocol/messages.ts';

/*
 * What messages change in the unread mentions and threads of a conversation. The server sends the threads that the user
 * follows; later ones are derived from the messages by which the user follows them.
 */

/** Returns whether a message is a reply that is shown in its thread only. */
export function isSideReply({ threadId, alsoInConversation }: Message): boolean {
  return threadId !== undefined && alsoInConversation !== true;
}

/** Applies a new message. Encrypted mentions are counted apart. @param isUnread - whether the user has neither sent nor read it */
export function withReply(
  held: Conversation,
  message: Message,
  { isUnread, ownId }: { isUnread: boolean; ownId: string | undefined },
): Conversation {
  if (held.unreadMentions === undefined || ownId === undefined) return held;
  const isMentioned = message.mentions?.includes(ownId) === true && message.senderId !== ownId;
  const next =
    isUnread && isMentioned && message.encrypted !== true ? { ...held, unreadMentions: held.unreadMentions + 1 } : held;
  const { threadId, senderId } = message;
  if (threadId === undefined) return next;
  const isFollower = senderId === ownId || isMentioned;
  return withThread(next, threadId, { isFollower, isUnread: isUnread && senderId !== ownId });
}

/** Applies the state of a root message: its author, and users who replied or are mentioned, follow the thread. */
export function withRoot(held: Conversation, root: Message, ownId: string | undefined): Conversation {
  if (root.thread === undefined || held.unreadMentions === undefined || ownId === undefined) return held;
  const isFollower =
    root.senderId === ownId || root.mentions?.includes(ownId) === true || root.thread.participantIds.includes(ownId);
  return withThread(held, root.id, { isFollower, isUnread: false });
}

/** Returns whether what is unread may include a message that was deleted, which its tombstone doesn't tell. */
export function mayChangeUnread(held: Conversation, message: Message): boolean {
  const { id: messageId, threadId, seq = 0 } = message;
  const thread = held.followedThreads?.find(({ id }) => id === threadId);
  const isUnread = isSideReply(message) || seq > (held.readSeq ?? 0);
  const isFirst = messageId === held.firstUnreadId;
  return isFirst || ((held.unreadMentions ?? 0) > 0 && isUnread) || thread?.unread === true;
}

function withThread(
  held: Conversation,
  id: string,
  { isFollower, isUnread }: { isFollower: boolean; isUnread: boolean },
): Conversation {
  const { followedThreads: threads = [], unreadThreads = 0 } = held;
  const known = threads.find((each) => each.id === id);
  if (known === undefined && !isFollower) return held;
  if (known !== undefined && (!isUnread || known.unread)) return held;
  const others = threads.filter((each) => each !== known);
  return {
    ...held,
    followedThreads: [{ id, unread: isUnread }, ...others],
    unreadThreads: unreadThreads + (isUnread ? 1 : 0),
  };
}
