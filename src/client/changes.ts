import type { Conversation, ConversationUpdate } from '../protocol/conversations.ts';
import type { Message, MessageDeleted, Reaction } from '../protocol/messages.ts';
import type { MessageStatus } from '../protocol/vocabulary.ts';

/**
 * A change of a conversation, whichever way it came: a live push, a batch after a reconnect, an acknowledgement, or a
 * base server. With our server it carries `rev`, and is applied in that order exactly once.
 */
export type Change =
  | { kind: 'created' | 'updated'; conversationId: string; message: Message; rev?: number | undefined }
  /** From a base server, which doesn't send the tombstone. */
  | {
      kind: 'deleted';
      conversationId: string;
      messageId: string;
      deletedBy: string;
      deletedAt: string;
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

/** What moves without a `rev`: it is told live, and otherwise read off the participants' marks. */
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

/** The marks that a conversation's participants carry, as if each had just been told. */
export function marksOf(conversation: Conversation, ownId: string | undefined): Mark[] {
  const others = conversation.participants.filter(({ userId }) => userId !== ownId);
  const marks: Mark[] = conversation.participants.flatMap(({ userId, lastReadSeq: seq, lastReadAt: readAt }) =>
    // Who has joined later starts behind what was said before, and has read none of it.
    seq === undefined || seq === 0 || readAt === undefined
      ? []
      : [{ kind: 'read', conversationId: conversation.id, userId, readAt, messageId: '', seq } as const],
  );
  if (others.length === 0) return marks;
  const slowest = (seq: (of: (typeof others)[number]) => number | undefined): number =>
    Math.min(...others.map((each) => seq(each) ?? 0));
  const delivered = slowest((each) => Math.max(each.lastDeliveredSeq ?? 0, each.lastReadSeq ?? 0));
  const read = slowest((each) => each.lastReadSeq);
  const status = (seq: number, reached: MessageStatus): void => {
    if (seq > 0) marks.push({ kind: 'status', conversationId: conversation.id, messageId: '', status: reached, seq });
  };
  status(delivered, 'delivered');
  status(read, 'read');
  return marks;
}

/** A tombstone, as the deletion it tells of: only its sender deletes a message. */
export function deletionOf(message: Message): MessageDeleted {
  const { id: messageId, conversationId, senderId: deletedBy, seq, rev } = message;
  return { messageId, conversationId, deletedBy, seq, rev };
}
