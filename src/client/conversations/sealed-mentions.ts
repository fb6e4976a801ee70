import type { Conversation } from '../../protocol/conversations.ts';
import type { Message } from '../../protocol/messages.ts';
import { isSideReply } from './unread-reducer.ts';

/*
 * The server can't see mentions in encrypted messages, so its counts don't include them. The client remembers these messages
 * while it runs, and adds them to each count that it receives.
 */

/** Unread messages with encrypted mentions of the user, by id. */
export type SealedMentions = ReadonlyMap<string, Message>;

/** Messages that are remembered of one conversation. */
const MAX_REMEMBERED = 200;

/** Returns whether a new message has an encrypted mention of the user that the conversation doesn't count yet. */
export function isSealedMention(held: Conversation, message: Message, ownId: string | undefined): boolean {
  if (message.encrypted !== true || held.unreadMentions === undefined || ownId === undefined) return false;
  const isMentioned = message.mentions?.includes(ownId) === true && message.senderId !== ownId;
  return isMentioned && message.deletedAt === undefined && isUnreadIn(held, message);
}

/** Adds a message. Forgets the oldest one beyond the limit. */
export function withMention(sealed: SealedMentions, message: Message): SealedMentions {
  return new Map([...sealed, [message.id, message] as const].slice(-MAX_REMEMBERED));
}

/** Returns the messages that are unread in this state of the conversation. */
export function stillUnread(held: Conversation, sealed: SealedMentions): SealedMentions {
  return new Map([...sealed].filter(([, message]) => isUnreadIn(held, message)));
}

/** A reply that isn't in the main timeline is read with its thread. */
function isUnreadIn({ readSeq = 0, followedThreads = [] }: Conversation, message: Message): boolean {
  return isSideReply(message)
    ? followedThreads.some(({ id, unread }) => unread && id === message.threadId)
    : (message.seq ?? 0) > readSeq;
}
