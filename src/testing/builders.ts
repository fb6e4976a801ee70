import type { Conversation, Participant } from '../protocol/conversations.ts';
import type { Message } from '../protocol/messages.ts';

/** Time of the first built object; the message with `seq` n is n seconds later, independent of the system clock. */
const START_MS = Date.UTC(2025, 0, 1);

/** Fields of {@link buildMessage} that differ from its defaults. */
export type MessageFields = Partial<Message>;
/** Fields of {@link buildConversation} that differ from its defaults. */
export type ConversationFields = Partial<Omit<Conversation, 'participants'>> & {
  /** User ids or complete participants. */
  participants?: readonly (string | Participant)[] | undefined;
};

/** Builds a participant with the role member who is offline and has read nothing. */
export function buildParticipant(userId: string, fields: Partial<Participant> = {}): Participant {
  return {
    userId,
    displayName: userId,
    role: 'member',
    joinedAt: new Date(START_MS).toISOString(),
    presence: 'offline',
    lastReadSeq: 0,
    lastDeliveredSeq: 0,
    ...fields,
  };
}

/** Builds a stored text message of `ann`, as the server sends it. `id`, `rev`, `content` and `createdAt` derive from `seq` (1 by default) unless given. */
export function buildMessage({ seq = 1, ...fields }: MessageFields = {}): Message {
  return {
    id: String(seq),
    conversationId: 'conversation-1',
    senderId: 'ann',
    content: `Message ${seq}`,
    type: 'text',
    createdAt: new Date(START_MS + seq * 1_000).toISOString(),
    status: 'sent',
    readBy: [],
    seq,
    rev: seq,
    ...fields,
  };
}

/**
 * Builds consecutive messages of one conversation, oldest first.
 *
 * @param count - how many
 * @param fields - returns the fields of the message with the given `seq` (from 1) that differ from the defaults
 */
export function buildMessages(count: number, fields: (seq: number) => MessageFields = () => ({})): Message[] {
  return Array.from({ length: count }, (_, index) => buildMessage({ seq: index + 1, ...fields(index + 1) }));
}

/** Builds a conversation as the server sends it. By default it is a direct one between `ann` and `bob` without messages. */
export function buildConversation({ participants = ['ann', 'bob'], ...fields }: ConversationFields = {}): Conversation {
  const createdAt = new Date(START_MS).toISOString();
  return {
    id: 'conversation-1',
    type: participants.length > 2 ? 'group' : 'direct',
    participants: participants.map((each) => (typeof each === 'string' ? buildParticipant(each) : each)),
    createdAt,
    updatedAt: fields.lastMessage?.createdAt ?? createdAt,
    unreadCount: 0,
    head: { seq: fields.lastMessage?.seq ?? 0, rev: fields.lastMessage?.rev ?? 0 },
    ...fields,
  };
}
