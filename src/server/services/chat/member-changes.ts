import type { Conversation, Participant } from '../../../protocol/conversations.ts';
import type { FollowedThread } from '../../../protocol/threads.ts';
import { LIMITS } from '../../../protocol/limits.ts';
import { loadConversation } from '../../store/queries/conversations.ts';
import { takeRev } from '../../store/queries/counters.ts';
import {
  addMembers,
  ensureOwner,
  memberCount,
  memberPage,
  membersAmong,
  removeMember,
} from '../../store/queries/members.ts';
import { returningFollowers } from '../../store/queries/threads/returning-followers.ts';
import { hiddenPresence, type HiddenPresence } from '../../store/queries/people/blocks.ts';
import { toParticipant } from '../../store/queries/rows.ts';
import type { Work } from '../../store/engine/work.ts';
import { pushWork } from '../limits/request-work.ts';
import type { Broadcaster, Caller } from '../ports.ts';
import type { ServiceDeps } from '../service-deps.ts';
import {
  applyPresence,
  listedIds,
  present,
  pushConversation,
  pushNewConversation,
  toConversationUpdate,
  type PresenceOf,
} from './conversation-presence.ts';

/** Users who were added to a group. */
export interface Addition {
  /** The group as the caller sees it. */
  readonly conversation: Conversation;
  readonly added: readonly string[];
  /** The participants that are pushed to the others. */
  readonly changed: readonly Participant[];
  readonly hidden: HiddenPresence;
  /** The threads that added users follow since an earlier membership. */
  readonly followed: ReadonlyMap<string, FollowedThread[]>;
}

/** A member who was removed from a group. */
export interface Removal {
  readonly conversationId: string;
  readonly userId: string;
  /** The group as one of the remaining members sees it; absent if none is left. */
  readonly rest: Conversation | undefined;
  /** A member who became owner. */
  readonly changed: readonly Participant[];
  readonly hidden: HiddenPresence;
}

/** Adds users who aren't members yet, and advances `rev` once. */
export function* addToGroup(conversationId: string, userIds: readonly string[], now: string): Work<void> {
  yield* takeRev(conversationId);
  yield* addMembers(conversationId, userIds, { now });
}

/** Removes a member and advances `rev`. If the last owner leaves, another member becomes owner. */
export function* removeFromGroup(
  budgets: ServiceDeps['budgets'],
  caller: Caller,
  { conversationId, userId }: Pick<Removal, 'conversationId' | 'userId'>,
): Work<Removal> {
  budgets.chargeRequest(caller, pushWork(yield* memberCount(conversationId)));
  yield* takeRev(conversationId);
  yield* removeMember(conversationId, userId);
  const promoted = yield* ensureOwner(conversationId);
  const [left] = yield* memberPage(conversationId, '', 1);
  const rest = left && (yield* loadConversation(left.user_id, conversationId));
  const changed = yield* participantsAmong(conversationId, promoted === undefined ? [] : [promoted]);
  const hidden: HiddenPresence = rest === undefined ? new Map() : yield* hiddenIn(rest, changed);
  return { conversationId, userId, rest, changed, hidden };
}

/** Returns the participants among these users, as many as are pushed. */
export function* participantsAmong(conversationId: string, userIds: readonly string[]): Work<Participant[]> {
  return (yield* membersAmong(conversationId, userIds.slice(0, LIMITS.listedParticipants))).map(toParticipant);
}

/** Returns the addition of users to a group, as the caller sees it. */
export function* additionTo(conversation: Conversation, added: readonly string[]): Work<Addition> {
  const { id } = conversation;
  const changed = yield* participantsAmong(id, added);
  const followed: Addition['followed'] = added.length === 0 ? new Map() : yield* returningFollowers(id, added);
  return { conversation, added, changed, followed, hidden: yield* hiddenIn(conversation, changed) };
}

/** Returns from whom the presence in the push of a change is hidden. */
export function* hiddenIn(conversation: Conversation, changed: readonly Participant[]): Work<HiddenPresence> {
  const shown = new Set([...listedIds([conversation]), ...changed.map(({ userId }) => userId)]);
  return yield* hiddenPresence(conversation.id, [...shown]);
}

/** Pushes the group to the added users, and the change to the others. */
export function pushAddition(
  broadcaster: Broadcaster,
  { conversation, added, changed, hidden, followed }: Addition,
  statuses: PresenceOf,
): void {
  if (added.length === 0) return;
  const full = applyPresence(conversation, statuses);
  // The caller's view without the caller's own fields.
  const { followedThreads: _followed, firstUnreadId: _first, readSeq: _readSeq, flagsRev: _flagsRev, ...shared } = full;
  // The history counts as read.
  const none = { unreadCount: 0, unreadMentions: 0, unreadThreads: 0, ...(full.head && { readSeq: full.head.seq }) };
  // No `flagsRev`: the push is later than all flags that the user had as a member before.
  const data: Conversation = { ...shared, ...none, pinned: false, muted: false, archived: false };
  for (const each of added) broadcaster.joinUser(each, full.id, full.head);
  const others = followed.size === 0 ? added : added.filter((id) => !followed.has(id));
  pushNewConversation(broadcaster, others, data, hidden);
  for (const [id, followedThreads] of followed) {
    pushNewConversation(broadcaster, [id], { ...data, followedThreads }, hidden);
  }
  const update = toConversationUpdate(full, { changed: changed.map((each) => present(each, statuses)), left: [] });
  pushConversation(broadcaster, update, hidden);
}

/** Takes the removed user out of the room, and pushes the change to the user and to the others. */
export function pushRemoval(broadcaster: Broadcaster, removal: Removal, statuses: PresenceOf): void {
  const { conversationId, userId, rest } = removal;
  const push = { event: 'conversation:left', data: { conversationId, userId } } as const;
  broadcaster.toUser(userId, push);
  broadcaster.removeUser(userId, conversationId);
  broadcaster.toConversation(conversationId, push);
  if (rest === undefined) return;
  const changed = removal.changed.map((each) => present(each, statuses));
  const data = toConversationUpdate(applyPresence(rest, statuses), { changed, left: [userId] });
  pushConversation(broadcaster, data, removal.hidden);
}
