import type { Conversation, ConversationUpdate } from '../protocol/conversations.ts';
import type { Message, MessageDeleted, Reaction } from '../protocol/messages.ts';
import type { MessageStatus } from '../protocol/constants.ts';

/**
 * A durable change of a conversation: from a push, a resync, a response, or a base server. Our server numbers them with
 * `rev`; each is applied exactly once, in that order.
 */
export type Change =
  | { kind: 'created' | 'updated'; conversationId: string; message: Message; rev?: number | undefined }
  /** A deletion by a base server, which sends no tombstone. */
  | {
      kind: 'deleted';
      conversationId: string;
      messageId: string;
      deletedBy: string;
      deletedAt: string;
      unauthenticated?: boolean | undefined;
      rev?: undefined;
    }
  | {
      kind: 'reactions';
      conversationId: string;
      messageId: string;
      reactions: Reaction[];
      seq?: number | undefined;
      rev?: number | undefined;
    }
  | { kind: 'conversation'; conversationId: string; update: ConversationUpdate; rev?: number | undefined };

/** A receipt: a read or delivery marker that moved. Receipts have no `rev`; missed ones come with the participants of a conversation. */
export type Mark =
  | {
      kind: 'read';
      conversationId: string;
      userId: string;
      readAt: string;
      messageId: string;
      seq?: number | undefined;
    }
  | {
      kind: 'status';
      conversationId: string;
      messageId: string;
      status: MessageStatus;
      seq?: number | undefined;
    };

/** Returns true for a large group of which the server has listed only some participants. */
export function isIncomplete({ participants, memberCount }: Conversation): boolean {
  return memberCount !== undefined && memberCount > participants.length;
}

/** Returns the read and delivery markers of a conversation's participants as receipts. */
export function marksOf(conversation: Conversation, ownId: string | undefined): Mark[] {
  const others = conversation.participants.filter(({ userId }) => userId !== ownId);
  const marks: Mark[] = conversation.participants.flatMap(({ userId, lastReadSeq: seq, lastReadAt: readAt }) =>
    // The marker of a participant who joined later starts behind the earlier messages; without a time it is no receipt.
    seq === undefined || seq === 0 || readAt === undefined
      ? []
      : [{ kind: 'read', conversationId: conversation.id, userId, readAt, messageId: '', seq } as const],
  );
  if (others.length === 0) return marks;
  const slowest = (seq: (of: (typeof others)[number]) => number | undefined): number =>
    Math.min(...others.map((each) => seq(each) ?? 0));
  const { reached } = conversation;
  // The slowest participants of a large group may not be listed.
  const isKnown = reached !== undefined || !isIncomplete(conversation);
  if (!isKnown) return marks;
  const delivered =
    reached?.delivered ?? slowest((each) => Math.max(each.lastDeliveredSeq ?? 0, each.lastReadSeq ?? 0));
  const read = reached?.read ?? slowest((each) => each.lastReadSeq);
  const status = (seq: number, reached: MessageStatus): void => {
    if (seq > 0) marks.push({ kind: 'status', conversationId: conversation.id, messageId: '', status: reached, seq });
  };
  status(delivered, 'delivered');
  status(read, 'read');
  return marks;
}

/** Returns the deletion that a tombstone describes. Without `deletedBy`, its sender has deleted the message. */
export function deletionOf(message: Message): MessageDeleted {
  const {
    id: messageId,
    conversationId,
    senderId,
    deletedBy = senderId,
    deletionUnauthenticated: unauthenticated,
    seq,
    rev,
  } = message;
  return { messageId, conversationId, deletedBy, ...(unauthenticated === true && { unauthenticated }), seq, rev };
}
