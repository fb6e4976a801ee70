import type { Conversation, Participant } from '../protocol/conversations.ts';
import type { Message } from '../protocol/messages.ts';

/** Everything that is built starts here, and each next one is a second later: nothing in a test depends on the clock. */
const START_MS = Date.UTC(2025, 0, 1);

/** What a builder needs besides its defaults: any fields of what it builds. */
export type MessageFields = Partial<Message>;
export type ConversationFields = Partial<Omit<Conversation, 'participants'>> & {
  /** User ids, or whole participants. */
  participants?: readonly (string | Participant)[] | undefined;
};

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

/** A stored message as our server sends it. `seq` decides id, `rev` and time unless they are given. */
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

/** Messages of one conversation, oldest first; `fields` may depend on their position. */
export function buildMessages(count: number, fields: (seq: number) => MessageFields = () => ({})): Message[] {
  return Array.from({ length: count }, (_, index) => buildMessage({ seq: index + 1, ...fields(index + 1) }));
}

/** A conversation as our server sends it: of `ann` and `bob` unless told otherwise, nothing in it. */
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
