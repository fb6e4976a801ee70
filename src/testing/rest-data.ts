import type { Changes, Conversation, MemberPage } from '../protocol/conversations.ts';
import { CommError } from '../protocol/errors.ts';
import { LIMITS } from '../protocol/limits.ts';
import type { Message, MessagePage } from '../protocol/messages.ts';
import type { User } from '../protocol/users.ts';
import { buildConversation, buildParticipant } from './builders.ts';

/** The initial data of `commHandlers`. */
export interface RestDataOptions {
  /** All conversations, of any users. */
  conversations?: readonly Conversation[] | undefined;
  /** Messages of any of the conversations, in any order. */
  messages?: readonly Message[] | undefined;
}

/** Query parameters of the paged routes, as they arrive in a URL. */
export interface PageQuery {
  limit?: string | undefined;
  offset?: string | undefined;
  before?: string | undefined;
  after?: string | undefined;
  around?: string | undefined;
}

/** Holds conversations and messages in memory and answers each REST route for a given user. */
export class RestData {
  readonly #conversations: Map<string, Conversation>;
  readonly #messages: Message[];

  constructor({ conversations = [], messages = [] }: RestDataOptions) {
    this.#conversations = new Map(conversations.map((each) => [each.id, each]));
    this.#messages = messages.toSorted((a, b) => (a.seq ?? 0) - (b.seq ?? 0));
  }

  conversations(userId: string, { limit, offset = '0' }: PageQuery): Conversation[] {
    const own = [...this.#conversations.values()].filter((each) => isParticipant(each, userId));
    const newest = own.toSorted((a, b) => (a.updatedAt < b.updatedAt ? 1 : -1));
    return newest.slice(Number(offset), Number(offset) + pageSize(limit)).map((each) => this.#view(each));
  }

  conversation(userId: string, id: string): Conversation {
    const found = this.#conversations.get(id);
    if (found === undefined || !isParticipant(found, userId)) throw new CommError('NOT_FOUND', 'Not found');
    return this.#view(found);
  }

  create(
    userId: string,
    wanted: Pick<Conversation, 'type' | 'name'> & { participantIds: readonly string[] },
  ): Conversation {
    const memberIds = [...new Set([userId, ...wanted.participantIds])];
    const existing = [...this.#conversations.values()].find(
      ({ type, participants }) =>
        type === 'direct' &&
        wanted.type === 'direct' &&
        memberIds.every((id) => participants.some((p) => p.userId === id)),
    );
    if (existing !== undefined) return this.#view(existing);
    const created = buildConversation({
      id: `conversation-${this.#conversations.size + 1}`,
      type: wanted.type,
      participants: memberIds.map((id) => buildParticipant(id, { role: id === userId ? 'owner' : 'member' })),
      ...(wanted.name !== undefined && { name: wanted.name }),
    });
    this.#conversations.set(created.id, created);
    return created;
  }

  /** Returns the caller, or a user who shares a conversation, as their participants have them. */
  user(userId: string, id: string): User {
    const shared = [...this.#conversations.values()].filter((each) => isParticipant(each, userId));
    const found = shared.flatMap(({ participants }) => participants).find((each) => each.userId === id);
    if (found === undefined && id !== userId) throw new CommError('NOT_FOUND', 'Not found');
    const { displayName = id, avatarUrl } = found ?? {};
    return { id, displayName, ...(avatarUrl !== undefined && { avatarUrl }), updatedAt: new Date(0).toISOString() };
  }

  /** Returns a page of the participants, ordered by user id. */
  members(userId: string, id: string, { after = '', limit }: PageQuery): MemberPage {
    const { participants } = this.conversation(userId, id);
    const following = participants
      .filter((each) => each.userId > after)
      .toSorted((a, b) => (a.userId < b.userId ? -1 : 1));
    const members = following.slice(0, pageSize(limit));
    return { members, memberCount: participants.length, hasMore: following.length > members.length };
  }

  /** Returns a page of history, newest first. */
  messages(userId: string, conversationId: string, { limit, before, after, around }: PageQuery): Message[] {
    this.conversation(userId, conversationId);
    const all = this.#messages.filter((each) => each.conversationId === conversationId);
    const size = pageSize(limit);
    const at = (id: string): number => {
      const index = all.findIndex((each) => each.id === id);
      if (index < 0) throw new CommError('NOT_FOUND', 'Not found');
      return index;
    };
    if (after !== undefined) return all.slice(at(after) + 1, at(after) + 1 + size).reverse();
    const end =
      around !== undefined ? at(around) + Math.ceil(size / 2) : before !== undefined ? at(before) : all.length;
    return all.slice(Math.max(0, end - size), end).reverse();
  }

  /** Returns pinned messages, the newest pin first. */
  pinned(userId: string, id: string, { limit, offset = '0' }: PageQuery): MessagePage {
    this.conversation(userId, id);
    const all = this.#messages
      .filter(({ conversationId, pinned }) => conversationId === id && pinned !== undefined)
      .toSorted((a, b) => ((a.pinned?.at ?? '') < (b.pinned?.at ?? '') ? 1 : -1));
    const messages = all.slice(Number(offset), Number(offset) + pageSize(limit));
    return { messages, hasMore: all.length > Number(offset) + messages.length };
  }

  changes(userId: string, id: string, after: number, limit: string | undefined): Changes {
    const conversation = this.conversation(userId, id);
    const changed = this.#messages
      .filter(({ conversationId, rev = 0 }) => conversationId === id && rev > after)
      .toSorted((a, b) => (a.rev ?? 0) - (b.rev ?? 0));
    const head = conversation.head ?? { seq: 0, rev: 0 };
    const changes = changed.slice(0, pageSize(limit));
    return { changes, conversation, head, hasMore: changed.length > changes.length, tooLong: false };
  }

  search(userId: string, q: string, conversationId: string | null, limit: string | undefined): Message[] {
    const words = q.toLowerCase().split(/\s+/).filter(Boolean);
    const found = this.#messages.filter(
      (each) =>
        this.#sees(userId, each) &&
        each.deletedAt === undefined &&
        (conversationId === null || each.conversationId === conversationId) &&
        words.every((word) => each.content.toLowerCase().includes(word)),
    );
    return found.reverse().slice(0, pageSize(limit));
  }

  message(userId: string, id: string): Message {
    const found = this.#messages.find((each) => each.id === id);
    if (found === undefined || !this.#sees(userId, found)) throw new CommError('NOT_FOUND', 'Not found');
    return found;
  }

  delete(userId: string, id: string): Message {
    const found = this.message(userId, id);
    if (found.senderId !== userId) throw new CommError('FORBIDDEN', 'Only the sender can delete a message');
    const {
      metadata: _metadata,
      pinned: _pinned,
      attachment: _attachment,
      attachments: _attachments,
      envelope: _envelope,
      reactions: _reactions,
      ...rest
    } = found;
    const rev = this.#head(found.conversationId).rev + 1;
    const tombstone: Message = {
      ...rest,
      content: '',
      deletedAt: found.deletedAt ?? found.createdAt,
      deletedBy: userId,
      rev,
    };
    this.#messages[this.#messages.indexOf(found)] = tombstone;
    return tombstone;
  }

  #sees(userId: string, { conversationId }: Message): boolean {
    const conversation = this.#conversations.get(conversationId);
    return conversation !== undefined && isParticipant(conversation, userId);
  }

  #view(conversation: Conversation): Conversation {
    const own = this.#messages.filter(({ conversationId }) => conversationId === conversation.id);
    const lastMessage = own.at(-1) ?? conversation.lastMessage;
    const head = own.length === 0 ? conversation.head : this.#head(conversation.id);
    return { ...conversation, ...(lastMessage && { lastMessage }), ...(head && { head }) };
  }

  #head(id: string): { seq: number; rev: number } {
    const own = this.#messages.filter(({ conversationId }) => conversationId === id);
    return { seq: Math.max(0, ...own.map(({ seq = 0 }) => seq)), rev: Math.max(0, ...own.map(({ rev = 0 }) => rev)) };
  }
}

function isParticipant({ participants }: Conversation, userId: string): boolean {
  return participants.some((each) => each.userId === userId);
}

function pageSize(limit: string | undefined): number {
  return limit === undefined ? LIMITS.pageSize : Math.min(Number(limit), LIMITS.maxPageSize);
}
