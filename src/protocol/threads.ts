import * as v from 'valibot';
import { counterSchema, idSchema, timeSchema } from './common-schemas.ts';
import { LIMITS } from './limits.ts';

/** The replies to a message, on that message: the root of the thread. Set by the server. */
export interface ThreadSummary {
  /** Number of replies that are not deleted. */
  replyCount: number;
  /** When the newest reply was sent (ISO 8601). */
  lastReplyAt: string;
  /** At most 5 users who have replied, newest first. */
  participantIds: string[];
}

/** A thread that the user follows. */
export interface FollowedThread {
  /** Id of the root message. */
  id: string;
  /** Whether it has replies of others after the user's read position in it. */
  unread: boolean;
}

/** Marks the replies of a thread up to a message as read by the caller. */
export interface ReadThread {
  conversationId: string;
  /** Id of the root message. */
  threadId: string;
  /** Id of the last reply that was read. */
  messageId: string;
}

/** Marks a message of the main timeline and all later ones as unread for the caller. */
export interface MarkUnread {
  conversationId: string;
  messageId: string;
}

/** What is unread in a conversation besides `unreadCount`, for one user. Base servers send none of it. */
export interface UnreadState {
  /** Unread messages and replies that mention the user; at most 1,000 are counted. Encrypted ones are counted by the client. */
  unreadMentions?: number | undefined;
  /** Threads that the user follows with unread replies, among the 100 of the conversation with the newest replies. */
  unreadThreads?: number | undefined;
  /** Those of these 100 threads that the user follows. Absent if there are none. */
  followedThreads?: FollowedThread[] | undefined;
  /** Id of the first unread message of the main timeline; absent or `null` if there is none. */
  firstUnreadId?: string | null | undefined;
  /** The user has read the main timeline up to this `seq`. Differs from the participant's `lastReadSeq` after `conversation:mark-unread`. */
  readSeq?: number | undefined;
}

/** Validates {@link ThreadSummary}. */
export const threadSummarySchema = v.object({
  replyCount: counterSchema,
  lastReplyAt: timeSchema,
  participantIds: v.pipe(v.array(v.string()), v.maxLength(LIMITS.threadParticipants)),
}) satisfies v.GenericSchema<unknown, ThreadSummary>;

/** The fields of {@link UnreadState}. */
export const unreadStateEntries = {
  unreadMentions: v.optional(counterSchema),
  unreadThreads: v.optional(counterSchema),
  followedThreads: v.optional(v.array(v.object({ id: v.string(), unread: v.boolean() }))),
  firstUnreadId: v.optional(v.nullable(v.string())),
  readSeq: v.optional(counterSchema),
};

/** Validates the mentions of a message: user ids, each once. */
export const mentionsSchema = v.pipe(
  v.array(idSchema),
  v.maxLength(LIMITS.mentions),
  v.check((ids) => new Set(ids).size === ids.length, 'must contain each user once'),
);

/** Validates {@link ReadThread}. */
export const readThreadSchema = v.object({
  conversationId: idSchema,
  threadId: idSchema,
  messageId: idSchema,
}) satisfies v.GenericSchema<unknown, ReadThread>;

/** Validates {@link MarkUnread}. */
export const markUnreadSchema = v.object({
  conversationId: idSchema,
  messageId: idSchema,
}) satisfies v.GenericSchema<unknown, MarkUnread>;
