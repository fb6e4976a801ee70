import type { Conversation } from '../../protocol/conversations.ts';
import type { Message } from '../../protocol/messages.ts';
import { assignDefined } from '../../transport/rows.ts';
import type { Change, Mark } from '../changes.ts';

/** The list of conversations as far as it is loaded, newest activity first. */
export interface Inbox {
  readonly ownId: string | undefined;
  readonly conversations: readonly Conversation[];
  readonly hasMore: boolean;
}

export type InboxEvent =
  | Change
  | Mark
  /** A page of the list; the first one replaces what was loaded before. */
  | { kind: 'listed'; conversations: readonly Conversation[]; first: boolean; hasMore: boolean }
  /** A conversation as just read. */
  | { kind: 'known'; conversation: Conversation }
  | { kind: 'counted'; conversationId: string; unreadCount: number }
  | { kind: 'left'; conversationId: string };

export const EMPTY_INBOX: Inbox = { ownId: undefined, conversations: [], hasMore: false };

/** Returns `inbox` itself when nothing changed. */
export function reduceInbox(inbox: Inbox, event: InboxEvent): Inbox {
  switch (event.kind) {
    case 'listed':
      return list(inbox, event);
    case 'known':
      return put(inbox, event.conversation);
    case 'left':
      return findConversation(inbox, event.conversationId) === undefined
        ? inbox
        : { ...inbox, conversations: inbox.conversations.filter(({ id }) => id !== event.conversationId) };
    case 'counted':
      return amend(inbox, event.conversationId, (held) =>
        held.unreadCount === event.unreadCount ? held : { ...held, unreadCount: event.unreadCount },
      );
    case 'created':
      return arrive(inbox, event);
    case 'updated':
    case 'deleted':
    case 'reactions':
      return amend(inbox, event.conversationId, (held) => withLast(held, event));
    case 'conversation':
      return amend(inbox, event.conversationId, (held) => {
        const merged = assignDefined({ ...held }, event.update);
        return JSON.stringify(held) === JSON.stringify(merged) ? held : merged;
      });
    case 'read':
      return amend(inbox, event.conversationId, (held) => markRead(held, event, inbox.ownId));
    case 'status':
      return amend(inbox, event.conversationId, (held) => {
        const last = held.lastMessage;
        const covered = last?.id === event.messageId || (last?.senderId === inbox.ownId && last?.seq === event.seq);
        return last === undefined || !covered ? held : { ...held, lastMessage: { ...last, status: event.status } };
      });
  }
}

export function findConversation(inbox: Inbox, id: string): Conversation | undefined {
  return inbox.conversations.find((each) => each.id === id);
}

function list(inbox: Inbox, { conversations, first, hasMore }: Extract<InboxEvent, { kind: 'listed' }>): Inbox {
  const listed = new Set(conversations.map(({ id }) => id));
  // What is known beyond a first page stays; what should have been in it is gone.
  const last = conversations.at(-1)?.updatedAt ?? '';
  const kept = inbox.conversations.filter(
    ({ id, updatedAt }) => !listed.has(id) && (!first || (hasMore && updatedAt <= last)),
  );
  return { ...inbox, conversations: sorted([...kept, ...conversations]), hasMore };
}

function put(inbox: Inbox, conversation: Conversation): Inbox {
  const others = inbox.conversations.filter(({ id }) => id !== conversation.id);
  return { ...inbox, conversations: sorted([...others, conversation]) };
}

function amend(inbox: Inbox, id: string, change: (held: Conversation) => Conversation): Inbox {
  const held = findConversation(inbox, id);
  const next = held && change(held);
  if (held === undefined || next === undefined || next === held) return inbox;
  const conversations = inbox.conversations.map((each) => (each === held ? next : each));
  return { ...inbox, conversations: next.updatedAt === held.updatedAt ? conversations : sorted(conversations) };
}

function arrive(inbox: Inbox, { conversationId, message }: Extract<Change, { message: unknown }>): Inbox {
  return amend(inbox, conversationId, (held) => {
    const isKnown =
      held.lastMessage?.id === message.id || (held.lastMessage?.seq ?? 0) >= (message.seq ?? Number.MAX_SAFE_INTEGER);
    if (isKnown) return withLast(held, { kind: 'updated', message });
    const isOwn = message.senderId === inbox.ownId;
    return {
      ...held,
      lastMessage: message,
      updatedAt: message.createdAt > held.updatedAt ? message.createdAt : held.updatedAt,
      unreadCount: held.unreadCount + (isOwn ? 0 : 1),
    };
  });
}

type LastChange = Extract<Change, { kind: 'deleted' | 'reactions' }> | { kind: 'updated' | 'created'; message: Message };

function withLast(held: Conversation, change: LastChange): Conversation {
  const last = held.lastMessage;
  if (last === undefined) return held;
  switch (change.kind) {
    case 'updated':
    case 'created':
      return last.id === change.message.id ? { ...held, lastMessage: change.message } : held;
    case 'deleted':
      return last.id === change.messageId
        ? { ...held, lastMessage: { ...last, content: '', deletedAt: change.deletedAt } }
        : held;
    case 'reactions':
      return last.id === change.messageId ? { ...held, lastMessage: { ...last, reactions: change.reactions } } : held;
  }
}

function markRead(held: Conversation, mark: Extract<Mark, { kind: 'read' }>, ownId: string | undefined): Conversation {
  const { seq } = mark;
  const participants = held.participants.map((each) =>
    each.userId === mark.userId && seq !== undefined && seq > (each.lastReadSeq ?? 0)
      ? { ...each, lastReadSeq: seq, lastReadAt: mark.readAt }
      : each,
  );
  // Everything read is certain only at the end; in between the server counts and tells (`conversation:updated`).
  const atEnd = seq === undefined ? held.lastMessage?.id === mark.messageId : seq >= (held.lastMessage?.seq ?? 0);
  const unreadCount = mark.userId === ownId && atEnd ? 0 : held.unreadCount;
  const same = unreadCount === held.unreadCount && participants.every((each, at) => each === held.participants[at]);
  return same ? held : { ...held, participants, unreadCount };
}

function sorted(conversations: readonly Conversation[]): Conversation[] {
  return [...conversations].sort((a, b) => (a.updatedAt < b.updatedAt ? 1 : a.updatedAt > b.updatedAt ? -1 : 0));
}
