import type { Conversation, ConversationUpdate, Participant } from '../../protocol/conversations.ts';
import type { Message } from '../../protocol/messages.ts';
import { MESSAGE_STATUSES } from '../../protocol/vocabulary.ts';
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
  /**
   * A conversation as the server had it.
   * @param asked - it was read after everything that is held, but for what is told again right behind it
   */
  | { kind: 'known'; conversation: Conversation; asked?: boolean }
  | { kind: 'left'; conversationId: string };

export const EMPTY_INBOX: Inbox = { ownId: undefined, conversations: [], hasMore: false };

/** Returns `inbox` itself when nothing changed. */
export function reduceInbox(inbox: Inbox, event: InboxEvent): Inbox {
  switch (event.kind) {
    case 'listed':
      return list(inbox, event);
    case 'known':
      return put(inbox, event);
    case 'left':
      return findConversation(inbox, event.conversationId) === undefined
        ? inbox
        : { ...inbox, conversations: inbox.conversations.filter(({ id }) => id !== event.conversationId) };
    case 'created':
      return arrive(inbox, event);
    case 'updated':
      return amend(inbox, event.conversationId, (held) => revise(held, event.message, inbox.ownId));
    case 'deleted':
      return amend(inbox, event.conversationId, (held) => withLast(held, event));
    case 'reactions':
      return amend(inbox, event.conversationId, (held) =>
        isNews(held, event) ? advance(withLast(held, event), event) : held,
      );
    case 'conversation':
      return amend(inbox, event.conversationId, (held) => {
        const { update } = event;
        const merged =
          update.head === undefined
            ? assignDefined({ ...held }, { ...update, ...laterFlags(held, update) })
            : adopt(held, update);
        return JSON.stringify(held) === JSON.stringify(merged) ? held : merged;
      });
    case 'read':
      return amend(inbox, event.conversationId, (held) => markRead(held, event, inbox.ownId));
    case 'status':
      return amend(inbox, event.conversationId, (held) => reach(held, event, inbox.ownId));
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
  const read = conversations.map((each) => adopt(findConversation(inbox, each.id) ?? each, each));
  return { ...inbox, conversations: sorted([...kept, ...read]), hasMore };
}

function put(inbox: Inbox, { conversation, asked = false }: Extract<InboxEvent, { kind: 'known' }>): Inbox {
  const held = findConversation(inbox, conversation.id) ?? conversation;
  const others = inbox.conversations.filter(({ id }) => id !== conversation.id);
  return { ...inbox, conversations: sorted([...others, adopt(held, conversation, asked)]) };
}

/**
 * A conversation as the server had it at some moment. It may have been on its way for longer than what was pushed since:
 * the counters tell, and marks only move forward.
 */
function adopt(held: Conversation, read: ConversationUpdate, isLater = false): Conversation {
  const flags = laterFlags(held, read);
  if (!isLater && read.head !== undefined && held.head !== undefined && read.head.rev < held.head.rev)
    return flags.flagsRev === held.flagsRev ? held : assignDefined({ ...held }, flags);
  const participants = read.participants?.map((each) => {
    const known = held.participants.find(({ userId }) => userId === each.userId);
    return known === undefined ? each : furthest(each, known);
  });
  return assignDefined({ ...held }, { ...read, ...flags, participants });
}

/** The user's own flags have a counter of their own: what is on its way for longer must not undo what was pushed since. */
function laterFlags(held: Conversation, read: ConversationUpdate): Partial<Conversation> {
  const isEarlier = (read.flagsRev ?? Infinity) < (held.flagsRev ?? 0);
  const { pinned, muted, archived, flagsRev } = isEarlier ? held : read;
  return { pinned, muted, archived, flagsRev };
}

function furthest(one: Participant, other: Participant): Participant {
  const further = (other.lastReadSeq ?? 0) > (one.lastReadSeq ?? 0) ? other : one;
  return assignDefined(
    { ...one },
    {
      lastReadSeq: further.lastReadSeq,
      lastReadAt: further.lastReadAt,
      lastDeliveredSeq: Math.max(one.lastDeliveredSeq ?? 0, other.lastDeliveredSeq ?? 0) || undefined,
    },
  );
}

/** The conversations that have to be asked for: from what is held and what is told now, theirs can't be known. */
export function doubtedBy(inbox: Inbox, event: InboxEvent): string[] {
  const doubted = snapshotsIn(event).filter((read) => isOvertaken(inbox, read));
  return isAhead(inbox, event) ? [event.conversationId] : doubted.map(({ id }) => id);
}

/** Conversations as the server read them, which may be older than what was pushed. */
function snapshotsIn(event: InboxEvent): readonly ConversationUpdate[] {
  switch (event.kind) {
    case 'listed':
      return event.conversations;
    case 'known':
      return event.asked === true ? [] : [event.conversation];
    case 'conversation':
      return [event.update];
    default:
      return [];
  }
}

/** Its count belongs to another moment than what is held: counting on from there would be wrong for good. */
function isOvertaken(inbox: Inbox, { id, participants, unreadCount, head }: ConversationUpdate): boolean {
  const held = findConversation(inbox, id);
  if (held === undefined || unreadCount === undefined) return false;
  if (participants === undefined) return head !== undefined && held.head !== undefined && head.rev < held.head.rev;
  return readSeq(held, inbox.ownId) > readSeq({ participants }, inbox.ownId);
}

/** It doesn't follow on what is held: what lies between was told before the conversation was known here. */
function isAhead(inbox: Inbox, event: InboxEvent): event is Change {
  if (!('rev' in event) || event.rev === undefined) return false;
  const head = findConversation(inbox, event.conversationId)?.head;
  // A conversation as it stands brings along what led to it.
  const isWhole = event.kind === 'conversation' && event.update.unreadCount !== undefined;
  return head !== undefined && event.rev > head.rev + 1 && !isWhole;
}

function readSeq({ participants }: Pick<Conversation, 'participants'>, ownId: string | undefined): number {
  return participants.find(({ userId }) => userId === ownId)?.lastReadSeq ?? 0;
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
    const { lastMessage: last, head } = held;
    const isKnown = head === undefined || message.rev === undefined ? last?.id === message.id : !isNews(held, message);
    // After a reconnect one that was edited meanwhile comes behind those that were sent after it.
    const isLast = last?.seq === undefined || message.seq === undefined || message.seq > last.seq;
    if (isKnown && !isLast) return withLast(held, { kind: 'updated', message });
    const isUnread =
      !isKnown && message.senderId !== inbox.ownId && (message.seq ?? Infinity) > readSeq(held, inbox.ownId);
    const next = {
      ...held,
      ...(isLast && { lastMessage: message }),
      updatedAt: message.createdAt > held.updatedAt ? message.createdAt : held.updatedAt,
      unreadCount: held.unreadCount + (isUnread ? 1 : 0),
    };
    return advance(next, message);
  });
}

/** An edited or deleted message: what is deleted unread isn't unread any more. */
function revise(held: Conversation, message: Message, ownId: string | undefined): Conversation {
  const change = { kind: 'updated', message } as const;
  if (!isNews(held, message)) return withLast(held, change);
  const wasUnread =
    message.deletedAt !== undefined &&
    message.senderId !== ownId &&
    message.seq !== undefined &&
    message.seq > readSeq(held, ownId) &&
    // What was sent and deleted while one was away has never been counted.
    message.seq <= (held.head?.seq ?? 0);
  const next = withLast(held, change);
  return advance(wasUnread ? { ...next, unreadCount: Math.max(0, next.unreadCount - 1) } : next, message);
}

interface Placed {
  seq?: number | undefined;
  rev?: number | undefined;
}

/** False for what the conversation, as it was last read, contains already. */
function isNews({ head }: Conversation, { rev }: Placed): boolean {
  return rev === undefined || head === undefined || rev > head.rev;
}

function advance(held: Conversation, { seq = 0, rev }: Placed): Conversation {
  const { head } = held;
  if (head === undefined || rev === undefined) return held;
  return { ...held, head: { seq: Math.max(seq, head.seq), rev: Math.max(rev, head.rev) } };
}

type LastChange =
  | Extract<Change, { kind: 'deleted' | 'reactions' }>
  | { kind: 'updated' | 'created'; message: Message };

function withLast(held: Conversation, change: LastChange): Conversation {
  const last = held.lastMessage;
  if (last === undefined) return held;
  switch (change.kind) {
    case 'updated':
    case 'created':
      return last.id === change.message.id && (change.message.rev ?? Infinity) >= (last.rev ?? 0)
        ? { ...held, lastMessage: change.message }
        : held;
    case 'deleted':
      return last.id === change.messageId
        ? { ...held, lastMessage: { ...last, content: '', deletedAt: change.deletedAt } }
        : held;
    case 'reactions':
      return last.id === change.messageId
        ? { ...held, lastMessage: assignDefined({ ...last, reactions: change.reactions }, { rev: change.rev }) }
        : held;
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

/** A status only moves forward. */
function reach(held: Conversation, mark: Extract<Mark, { kind: 'status' }>, ownId: string | undefined): Conversation {
  const last = held.lastMessage;
  if (last === undefined) return held;
  const isUpTo = last.seq !== undefined && mark.seq !== undefined && last.seq <= mark.seq && last.senderId === ownId;
  const isNew = MESSAGE_STATUSES.indexOf(last.status) < MESSAGE_STATUSES.indexOf(mark.status);
  const isAbout = last.id === mark.messageId || isUpTo;
  return isAbout && isNew ? { ...held, lastMessage: { ...last, status: mark.status } } : held;
}

/** As the server lists them: of those that changed in the same millisecond, by their ids. */
function sorted(conversations: readonly Conversation[]): Conversation[] {
  return [...conversations].sort((a, b) =>
    a.updatedAt === b.updatedAt ? (a.id < b.id ? -1 : 1) : a.updatedAt < b.updatedAt ? 1 : -1,
  );
}
