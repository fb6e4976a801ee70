import type { Conversation, ConversationUpdate, MemberChanges, Participant } from '../../protocol/conversations.ts';
import type { Message } from '../../protocol/messages.ts';
import type { User } from '../../protocol/users.ts';
import { MESSAGE_STATUSES } from '../../protocol/constants.ts';
import { assignDefined } from '../../transport/parse-rows.ts';
import { isIncomplete, type Change, type Mark } from '../changes.ts';
import { tombstone } from '../timeline/timeline-reducer.ts';
import { isSealedMention, stillUnread, withMention, type SealedMentions } from './sealed-mentions.ts';
import { isSideReply, mayChangeUnread, withReply, withRoot } from './unread-reducer.ts';

/** The loaded part of the list of conversations, newest activity first. */
export interface InboxState {
  readonly ownId: string | undefined;
  readonly conversations: readonly Conversation[];
  readonly hasMore: boolean;
  /** By conversation; `unreadMentions` includes them. */
  readonly sealed: ReadonlyMap<string, SealedMentions>;
}

/** Everything that changes the inbox. */
export type InboxEvent =
  | Change
  | Mark
  /** A page of the list was loaded. The first page replaces the loaded ones. */
  | { kind: 'listed'; conversations: readonly Conversation[]; first: boolean; hasMore: boolean }
  /** Conversations of an earlier session, none of which is held. */
  | { kind: 'restored'; conversations: readonly Conversation[]; hasMore: boolean }
  /**
   * A conversation was read from the server.
   * @param asked - true if it was requested: it is newer than the held state, and later events are applied after it
   */
  | { kind: 'known'; conversation: Conversation; asked?: boolean }
  | { kind: 'left'; conversationId: string }
  /** The profile of a user changed, who may be a participant of any conversation. */
  | { kind: 'profile'; user: User };

/** The inbox before anything is loaded. */
export const EMPTY_INBOX: InboxState = { ownId: undefined, conversations: [], hasMore: false, sealed: new Map() };

/** Applies an event. Returns `inbox` itself if nothing changed. */
export function reduceInbox(inbox: InboxState, event: InboxEvent): InboxState {
  const next = reduce(inbox, event);
  switch (event.kind) {
    case 'created':
      return mention(next, event.message);
    case 'updated':
      return event.message.deletedAt === undefined ? next : unmention(next, event.message);
    case 'listed':
    case 'known':
    case 'conversation':
      return readsOf(event).reduce((state, read) => recount(inbox, state, read, event), withoutAbsent(next));
    case 'left':
      return next.sealed.has(event.conversationId) ? withSealed(next, event.conversationId, NOTHING) : next;
    default:
      return next;
  }
}

function reduce(inbox: InboxState, event: InboxEvent): InboxState {
  switch (event.kind) {
    case 'listed':
      return list(inbox, event);
    case 'restored':
      return {
        ...inbox,
        conversations: sorted([...inbox.conversations, ...event.conversations]),
        hasMore: event.hasMore,
      };
    case 'known':
      return put(inbox, event);
    case 'left':
      return findConversation(inbox, event.conversationId) === undefined
        ? inbox
        : { ...inbox, conversations: inbox.conversations.filter(({ id }) => id !== event.conversationId) };
    case 'profile':
      return withProfiles(inbox, new Map([[event.user.id, event.user]]));
    case 'created':
      return arrive(inbox, event);
    case 'updated':
      return amend(inbox, event.conversationId, (held) =>
        withRoot(revise(held, event.message, inbox.ownId), event.message, inbox.ownId),
      );
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
            ? assignDefined(withoutSettings(held, update), { ...update, ...laterFlags(held, update) })
            : adopt(held, update);
        return JSON.stringify(held) === JSON.stringify(merged) ? held : merged;
      });
    case 'read':
      return amend(inbox, event.conversationId, (held) => markRead(held, event, inbox.ownId));
    case 'status':
      return amend(inbox, event.conversationId, (held) => reach(held, event, inbox.ownId));
  }
}

const NOTHING: SealedMentions = new Map();

function withSealed(inbox: InboxState, id: string, mentions: SealedMentions): InboxState {
  const sealed = new Map(inbox.sealed).set(id, mentions);
  if (mentions.size === 0) sealed.delete(id);
  return { ...inbox, sealed };
}

/** Forgets the mentions in conversations that are not in the list any more. */
function withoutAbsent(inbox: InboxState): InboxState {
  const { sealed } = inbox;
  const held = [...sealed].filter(([id]) => findConversation(inbox, id) !== undefined);
  return held.length === sealed.size ? inbox : { ...inbox, sealed: new Map(held) };
}

/** Counts an encrypted mention in a new message. */
function mention(inbox: InboxState, message: Message): InboxState {
  const { conversationId: id } = message;
  const held = findConversation(inbox, id);
  const sealed = inbox.sealed.get(id) ?? NOTHING;
  if (held === undefined || sealed.has(message.id) || !isSealedMention(held, message, inbox.ownId)) return inbox;
  const counted = amend(inbox, id, (each) => ({ ...each, unreadMentions: (each.unreadMentions ?? 0) + 1 }));
  return withSealed(counted, id, withMention(sealed, message));
}

/** Forgets the mention in a message that was deleted. */
function unmention(inbox: InboxState, { conversationId: id, id: messageId }: Message): InboxState {
  const sealed = inbox.sealed.get(id);
  if (sealed?.has(messageId) !== true) return inbox;
  const counted = amend(inbox, id, (each) => ({
    ...each,
    unreadMentions: Math.max(0, (each.unreadMentions ?? 0) - 1),
  }));
  return withSealed(counted, id, new Map([...sealed].filter(([each]) => each !== messageId)));
}

/** Adds the encrypted mentions that are still unread to a count of the server that was adopted. */
function recount(before: InboxState, inbox: InboxState, read: ConversationUpdate, event: InboxEvent): InboxState {
  const { id, unreadMentions } = read;
  const sealed = inbox.sealed.get(id);
  const held = findConversation(inbox, id);
  if (sealed === undefined || held === undefined || unreadMentions === undefined) return inbox;
  const isLater = event.kind === 'known' && event.asked === true;
  if (isOlder(findConversation(before, id), read, isLater)) return inbox;
  const unread = stillUnread(held, sealed);
  const counted = amend(inbox, id, (each) => ({ ...each, unreadMentions: unreadMentions + unread.size }));
  return withSealed(counted, id, unread);
}

/** Conversations in an event as the server has read them. */
function readsOf(
  event: Extract<InboxEvent, { kind: 'listed' | 'known' | 'conversation' }>,
): readonly ConversationUpdate[] {
  if (event.kind === 'listed') return event.conversations;
  return [event.kind === 'known' ? event.conversation : event.update];
}

/** Gives participants the names and pictures of their profiles, by user. */
export function withProfiles(inbox: InboxState, profiles: ReadonlyMap<string, User>): InboxState {
  let changed = false;
  const named = (held: Participant): Participant => {
    const user = profiles.get(held.userId);
    if (user === undefined || (held.displayName === user.displayName && held.avatarUrl === user.avatarUrl)) return held;
    const { avatarUrl: _before, ...rest } = held;
    return assignDefined<Participant>({ ...rest, displayName: user.displayName }, { avatarUrl: user.avatarUrl });
  };
  const conversations = inbox.conversations.map((each) => {
    const participants = each.participants.map(named);
    if (participants.every((participant, index) => participant === each.participants[index])) return each;
    changed = true;
    return { ...each, participants };
  });
  return changed ? { ...inbox, conversations } : inbox;
}

/** Returns a loaded conversation. */
export function findConversation(inbox: InboxState, id: string): Conversation | undefined {
  return inbox.conversations.find((each) => each.id === id);
}

function list(
  inbox: InboxState,
  { conversations, first, hasMore }: Extract<InboxEvent, { kind: 'listed' }>,
): InboxState {
  const listed = new Set(conversations.map(({ id }) => id));
  // Conversations older than the first page stay. Newer ones that are not in it are gone.
  const last = conversations.at(-1)?.updatedAt ?? '';
  const kept = inbox.conversations.filter(
    ({ id, updatedAt }) => !listed.has(id) && (!first || (hasMore && updatedAt <= last)),
  );
  const read = conversations.map((each) => adopt(findConversation(inbox, each.id) ?? each, each));
  return { ...inbox, conversations: sorted([...kept, ...read]), hasMore };
}

function put(inbox: InboxState, { conversation, asked = false }: Extract<InboxEvent, { kind: 'known' }>): InboxState {
  const held = findConversation(inbox, conversation.id) ?? conversation;
  const others = inbox.conversations.filter(({ id }) => id !== conversation.id);
  return { ...inbox, conversations: sorted([...others, adopt(held, conversation, asked)]) };
}

/**
 * Merges a conversation that was read from the server. It may be older than pushes that have been applied: an older `rev`
 * is ignored, and receipts only advance.
 */
function adopt(held: Conversation, { members, ...read }: ConversationUpdate, isLater = false): Conversation {
  const flags = laterFlags(held, read);
  if (isOlder(held, read, isLater)) return flags.flagsRev === held.flagsRev ? held : assignDefined({ ...held }, flags);
  // An answer to `sync` lists only the user of a large group whose members have not changed.
  const isShorter =
    read.participants !== undefined &&
    read.membersRev !== undefined &&
    read.membersRev === held.membersRev &&
    read.participants.length < held.participants.length;
  const listed = isShorter ? changedMembers(held, { changed: read.participants ?? [], left: [] }) : read.participants;
  const participants = (listed ?? changedMembers(held, members))?.map((each) => {
    const known = held.participants.find(({ userId }) => userId === each.userId);
    return known === undefined ? each : furthest(each, known);
  });
  return assignDefined(withoutSettings(held, read), { ...read, ...flags, participants });
}

function isOlder(
  held: Conversation | undefined,
  { head }: Pick<ConversationUpdate, 'head'>,
  isLater: boolean,
): boolean {
  return !isLater && head !== undefined && held?.head !== undefined && head.rev < held.head.rev;
}

/** Returns a copy, without the settings if `read` has all of them: those that are absent there are not set any more. */
function withoutSettings(held: Conversation, { visibility }: ConversationUpdate): Conversation {
  if (visibility === undefined) return { ...held };
  const {
    description: _description,
    avatarUrl: _avatarUrl,
    metadata: _metadata,
    frozen: _frozen,
    slowModeSeconds: _slowModeSeconds,
    ...rest
  } = held;
  return rest;
}

/** Applies the changed members of a large group. Of one that isn't listed completely, only listed ones change. */
function changedMembers(held: Conversation, members: MemberChanges | undefined): Participant[] | undefined {
  if (members === undefined) return undefined;
  const left = new Set(members.left);
  const changed = new Map(members.changed.map((each) => [each.userId, each]));
  const kept = held.participants
    .filter(({ userId }) => !left.has(userId))
    .map((each) => {
      const change = changed.get(each.userId);
      changed.delete(each.userId);
      return change ?? each;
    });
  return isIncomplete(held) ? kept : [...kept, ...changed.values()];
}

/** The user's own flags have a revision of their own: an older response must not undo a newer push. */
function laterFlags(held: Conversation, read: ConversationUpdate): Partial<Conversation> {
  const isEarlier = (read.flagsRev ?? Infinity) < (held.flagsRev ?? 0);
  const { pinned, muted, archived, flagsRev } = isEarlier ? held : read;
  return { pinned, muted, archived, flagsRev };
}

/** Returns a participant with the furthest receipts of both. */
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

/** Returns the ids of conversations that have to be requested: their unread count can't be derived from the event. */
export function outdatedBy(inbox: InboxState, event: InboxEvent): string[] {
  const doubted = snapshotsIn(event).filter((read) => isOvertaken(inbox, read));
  return isAhead(inbox, event) || isUncounted(inbox, event) ? [event.conversationId] : doubted.map(({ id }) => id);
}

/** Conversations in an event that were read from the server and may be older than applied pushes. */
function snapshotsIn(event: InboxEvent): readonly ConversationUpdate[] {
  if (event.kind === 'known' && event.asked === true) return [];
  return event.kind === 'listed' || event.kind === 'known' || event.kind === 'conversation' ? readsOf(event) : [];
}

/** Returns whether the read state is older than the held one, so that its unread count is wrong. */
function isOvertaken(inbox: InboxState, { id, participants, unreadCount, head }: ConversationUpdate): boolean {
  const held = findConversation(inbox, id);
  if (held === undefined || unreadCount === undefined) return false;
  if (participants === undefined) return head !== undefined && held.head !== undefined && head.rev < held.head.rev;
  return readSeq(held, inbox.ownId) > readSeq({ participants }, inbox.ownId);
}

/** Returns whether a deletion may change counts that can't be derived from it. */
function isUncounted(inbox: InboxState, event: InboxEvent): event is Change {
  if (event.kind !== 'updated' || event.message.deletedAt === undefined) return false;
  const held = findConversation(inbox, event.conversationId);
  return held !== undefined && isNews(held, event.message) && mayChangeUnread(held, event.message);
}

/** Returns whether revisions are missing between the held state and the event. */
function isAhead(inbox: InboxState, event: InboxEvent): event is Change {
  if (!('rev' in event) || event.rev === undefined) return false;
  const head = findConversation(inbox, event.conversationId)?.head;
  // A whole conversation contains the missing revisions.
  const isWhole = event.kind === 'conversation' && event.update.unreadCount !== undefined;
  return head !== undefined && event.rev > head.rev + 1 && !isWhole;
}

function readSeq({ participants }: Pick<Conversation, 'participants'>, ownId: string | undefined): number {
  return participants.find(({ userId }) => userId === ownId)?.lastReadSeq ?? 0;
}

/** Returns the user's position, which may be behind the marker that others see. */
function ownPosition(held: Conversation, ownId: string | undefined): number {
  return held.readSeq ?? readSeq(held, ownId);
}

function amend(inbox: InboxState, id: string, change: (held: Conversation) => Conversation): InboxState {
  const held = findConversation(inbox, id);
  const next = held && change(held);
  if (held === undefined || next === undefined || next === held) return inbox;
  const conversations = inbox.conversations.map((each) => (each === held ? next : each));
  return { ...inbox, conversations: next.updatedAt === held.updatedAt ? conversations : sorted(conversations) };
}

function arrive(inbox: InboxState, { conversationId, message }: Extract<Change, { message: unknown }>): InboxState {
  return amend(inbox, conversationId, (held) => {
    const { lastMessage: last, head } = held;
    const isKnown = head === undefined || message.rev === undefined ? last?.id === message.id : !isNews(held, message);
    // After a reconnect an edited message comes after later ones.
    const isSide = isSideReply(message);
    const isLast = !isSide && (last?.seq === undefined || message.seq === undefined || message.seq > last.seq);
    if (isKnown && !isLast) return withLast(held, { kind: 'updated', message });
    const isUnread =
      !isKnown && message.senderId !== inbox.ownId && (message.seq ?? Infinity) > ownPosition(held, inbox.ownId);
    const next = {
      ...held,
      ...(isLast && { lastMessage: message }),
      updatedAt: message.createdAt > held.updatedAt ? message.createdAt : held.updatedAt,
      unreadCount: held.unreadCount + (isUnread && !isSide ? 1 : 0),
      ...(isUnread && !isSide && held.firstUnreadId === null && { firstUnreadId: message.id }),
    };
    return advance(isKnown ? next : withReply(next, message, { isUnread, ownId: inbox.ownId }), message);
  });
}

/** Applies an edited or deleted message. Deleting an unread message decreases the unread count. */
function revise(held: Conversation, message: Message, ownId: string | undefined): Conversation {
  const change = { kind: 'updated', message } as const;
  if (!isNews(held, message)) return withLast(held, change);
  const wasUnread =
    message.deletedAt !== undefined &&
    message.senderId !== ownId &&
    !isSideReply(message) &&
    message.seq !== undefined &&
    message.seq > ownPosition(held, ownId) &&
    // A message that was sent and deleted while offline was never counted.
    message.seq <= (held.head?.seq ?? 0);
  const next = withLast(held, change);
  return advance(wasUnread ? { ...next, unreadCount: Math.max(0, next.unreadCount - 1) } : next, message);
}

interface Placed {
  seq?: number | undefined;
  rev?: number | undefined;
}

/** Returns false if the held state contains the revision already. */
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
      return last.id === change.messageId ? { ...held, lastMessage: tombstone(last, change) } : held;
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
  // The count is 0 at the end of the conversation; in between the server counts and pushes `conversation:updated`.
  const atEnd = seq === undefined ? held.lastMessage?.id === mark.messageId : seq >= (held.lastMessage?.seq ?? 0);
  const isOwnEnd = mark.userId === ownId && atEnd;
  const unreadCount = isOwnEnd ? 0 : held.unreadCount;
  const isEnded = isOwnEnd && held.readSeq !== undefined && seq !== undefined && seq > held.readSeq;
  const same =
    unreadCount === held.unreadCount && !isEnded && participants.every((each, at) => each === held.participants[at]);
  return same ? held : { ...held, participants, unreadCount, ...(isEnded && { firstUnreadId: null, readSeq: seq }) };
}

/** Advances the status of the last message. */
function reach(held: Conversation, mark: Extract<Mark, { kind: 'status' }>, ownId: string | undefined): Conversation {
  const last = held.lastMessage;
  if (last === undefined) return held;
  const isUpTo = last.seq !== undefined && mark.seq !== undefined && last.seq <= mark.seq && last.senderId === ownId;
  const isNew = MESSAGE_STATUSES.indexOf(last.status) < MESSAGE_STATUSES.indexOf(mark.status);
  const isAbout = last.id === mark.messageId || isUpTo;
  return isAbout && isNew ? { ...held, lastMessage: { ...last, status: mark.status } } : held;
}

/** Sorts as the server does: newest activity first, then by id. */
function sorted(conversations: readonly Conversation[]): Conversation[] {
  return [...conversations].sort((a, b) =>
    a.updatedAt === b.updatedAt ? (a.id < b.id ? -1 : 1) : a.updatedAt < b.updatedAt ? 1 : -1,
  );
}
