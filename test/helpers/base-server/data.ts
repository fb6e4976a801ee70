import { randomUUID } from 'node:crypto';

export interface ConversationRow {
  id: string;
  type: string;
  name: string | null;
  archived: 0 | 1;
  created_at: string;
  updated_at: string;
}

export interface MessageRow {
  id: number;
  conversation_id: string;
  sender_id: string;
  content: string;
  type: string;
  reply_to: string | null;
  /** JSON. */
  attachment: string | null;
  status: string;
  encrypted: 0 | 1;
  created_at: string;
  updated_at: string | null;
  forwarded_from_conversation_id: string | null;
  forwarded_from_message_id: string | null;
}

interface ParticipantRow {
  conversation_id: string;
  user_id: string;
  role: 'owner' | 'member';
  joined_at: string;
}

export interface NewMessage {
  conversationId: string;
  senderId: string;
  content: string;
  type?: string | undefined;
  replyTo?: string | undefined;
  attachment?: unknown;
  encrypted?: boolean | undefined;
  /** Stored unchanged: ISO 8601, or `YYYY-MM-DD HH:MM:SS` like the default of the database column. */
  createdAt?: string | undefined;
  status?: string | undefined;
  forwardedFrom?: { conversationId: string; messageId: string } | undefined;
}

/** The rows of a base server's database, which its REST API returns unchanged. */
export class BaseData {
  readonly conversations: ConversationRow[] = [];
  readonly messages: MessageRow[] = [];
  readonly #participants: ParticipantRow[] = [];
  readonly #receipts = new Set<string>();
  /** User ids in the order of their reactions, by message id and emoji. */
  readonly #reactions = new Map<number, Map<string, Set<string>>>();
  readonly #now: () => Date;

  constructor(now: () => Date) {
    this.#now = now;
  }

  now(): string {
    return this.#now().toISOString();
  }

  addConversation(
    type: string,
    name: string | undefined,
    userIds: readonly string[],
    id: string = randomUUID(),
  ): ConversationRow {
    const at = this.now();
    const row: ConversationRow = { id, type, name: name ?? null, archived: 0, created_at: at, updated_at: at };
    this.conversations.push(row);
    for (const [index, userId] of [...new Set(userIds)].entries()) {
      const role = index === 0 ? 'owner' : 'member';
      this.#participants.push({ conversation_id: id, user_id: userId, role, joined_at: at });
    }
    return row;
  }

  participantsOf(conversationId: string): readonly ParticipantRow[] {
    return this.#participants.filter((row) => row.conversation_id === conversationId);
  }

  isParticipant(conversationId: string, userId: string): boolean {
    return this.participantsOf(conversationId).some((row) => row.user_id === userId);
  }

  addMessage(message: NewMessage): MessageRow {
    const createdAt = message.createdAt ?? this.now();
    const row: MessageRow = {
      id: this.messages.length + 1,
      conversation_id: message.conversationId,
      sender_id: message.senderId,
      content: message.content,
      type: message.type ?? 'text',
      reply_to: message.replyTo ?? null,
      attachment: message.attachment === undefined ? null : JSON.stringify(message.attachment),
      status: message.status ?? 'sent',
      encrypted: message.encrypted === true ? 1 : 0,
      created_at: createdAt,
      updated_at: null,
      forwarded_from_conversation_id: message.forwardedFrom?.conversationId ?? null,
      forwarded_from_message_id: message.forwardedFrom?.messageId ?? null,
    };
    this.messages.push(row);
    const conversation = this.conversations.find(({ id }) => id === message.conversationId);
    if (conversation !== undefined) conversation.updated_at = createdAt;
    return row;
  }

  message(id: string): MessageRow | undefined {
    return this.messages.find((row) => String(row.id) === id);
  }

  /** The first reader makes a message `read`, also in a group. */
  markRead(messageId: string, userId: string): void {
    this.#receipts.add(JSON.stringify([messageId, userId]));
    const row = this.message(messageId);
    if (row !== undefined) row.status = 'read';
  }

  toggleReaction(
    messageId: string,
    userId: string,
    emoji: string,
  ): { emoji: string; count: number; users: string[] }[] {
    const id = Number(messageId);
    const ofMessage = this.#reactions.get(id) ?? new Map<string, Set<string>>();
    const users = ofMessage.get(emoji) ?? new Set<string>();
    if (!users.delete(userId)) users.add(userId);
    if (users.size === 0) ofMessage.delete(emoji);
    else ofMessage.set(emoji, users);
    this.#reactions.set(id, ofMessage);
    return Array.from(ofMessage, ([each, who]) => ({ emoji: each, count: who.size, users: [...who] }));
  }

  /** Returns conversations, newest activity first. Every message without a receipt counts as unread, including own ones. */
  conversationsOf(userId: string, limit: number, offset: number): (ConversationRow & { unread_count: number })[] {
    return this.conversations
      .filter(({ id }) => this.isParticipant(id, userId))
      .toSorted((a, b) => compare(b.updated_at, a.updated_at))
      .slice(offset, offset + limit)
      .map((row) => ({ ...row, unread_count: this.#unread(row.id, userId) }));
  }

  /** Returns messages strictly before a time, newest first, compared as text: messages of the same time may be omitted. */
  messagesOf(conversationId: string, limit: number, before: string | undefined): MessageRow[] {
    return this.messages
      .filter((row) => row.conversation_id === conversationId && (before === undefined || row.created_at < before))
      .toSorted((a, b) => compare(b.created_at, a.created_at) || b.id - a.id)
      .slice(0, limit);
  }

  search(text: string, limit: number): MessageRow[] {
    const wanted = text.toLowerCase();
    return this.messages
      .filter(({ content }) => content.toLowerCase().includes(wanted))
      .toReversed()
      .slice(0, limit);
  }

  #unread(conversationId: string, userId: string): number {
    return this.messages.filter(
      ({ id, conversation_id: in_ }) =>
        in_ === conversationId && !this.#receipts.has(JSON.stringify([String(id), userId])),
    ).length;
  }
}

function compare(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}
