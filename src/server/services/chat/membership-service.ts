import type {
  AddParticipants,
  Conversation,
  Participant,
  RemoveParticipant,
  SetRole,
} from '../../../protocol/conversations.ts';
import { LIMITS } from '../../../protocol/limits.ts';
import { takeRev } from '../../store/queries/counters.ts';
import {
  addMembers,
  ensureOwner,
  memberCount,
  memberIds,
  memberPage,
  membersAmong,
  membershipOf,
  ownerIds,
  removeMember,
  setRole,
} from '../../store/queries/members.ts';
import { toParticipant } from '../../store/queries/rows.ts';
import { loadConversation } from '../../store/queries/conversations.ts';
import type { Work } from '../../store/engine/work.ts';
import { hiddenPresence, type HiddenPresence } from '../../store/queries/people/blocks.ts';
import {
  applyPresence,
  listedIds,
  present,
  pushConversation,
  pushNewConversation,
  toConversationUpdate,
  visibleTo,
  type PresenceOf,
} from './conversation-presence.ts';
import { requireUnblocked } from '../people/block-service.ts';
import { requireConversation, type ConversationService } from './conversation-service.ts';
import { pushWork } from '../limits/request-work.ts';
import { isoNow, type ServiceDeps } from '../service-deps.ts';
import type { Caller } from '../ports.ts';
import { conflict, forbidden, notFound } from '../errors.ts';
import { requireGroupSize } from './group-size.ts';
import { requireGroupMember, canActOn, requireManager } from './roles.ts';

interface Added {
  readonly conversation: Conversation;
  readonly added: readonly string[];
  /** The participants that are pushed to the others. */
  readonly changed: Participant[];
  readonly hidden: HiddenPresence;
}

/**
 * Manages members and roles of groups. Each change advances the conversation's `rev` once and is pushed as
 * `conversation:updated` with the new head and all participants, or the changed ones of a large group.
 *
 * A new member sees the whole history. It counts as read and delivered, so that the member starts without unread
 * messages and no message falls back to `sent`.
 */
export class MembershipService {
  readonly #deps: ServiceDeps;
  readonly #conversations: ConversationService;

  constructor(deps: ServiceDeps, conversations: ConversationService) {
    this.#deps = deps;
    this.#conversations = conversations;
  }

  /**
   * Adds users to a group. Existing members are skipped.
   *
   * @throws CommError `FORBIDDEN` unless the caller is owner or admin and may contact the users, `INVALID` if the group
   * would be too large, `NOT_FOUND`
   */
  async add(caller: Caller, { conversationId, userIds }: AddParticipants): Promise<Conversation> {
    const { store, broadcaster, clock, presence, profiles, contacts, limits, budgets } = this.#deps;
    const { userId } = caller;
    await contacts.require(caller, userIds);
    const known = await this.#conversations.statusesIn(conversationId);
    await profiles.resolve(userIds);
    const statuses: PresenceOf = new Map([...known, ...(await presence.presenceOf(userIds))]);
    const work = function* (): Work<Added> {
      yield* requireManager(conversationId, userId);
      const existing = new Set(yield* memberIds(conversationId));
      const added = [...new Set(userIds)].filter((id) => !existing.has(id));
      requireGroupSize(existing.size + added.length, limits);
      if (caller.trusted !== true) yield* requireUnblocked(userId, added);
      budgets.chargeRequest(caller, pushWork(existing.size));
      if (added.length > 0) {
        yield* takeRev(conversationId);
        yield* addMembers(conversationId, added, { now: isoNow(clock) });
      }
      const changed = yield* participantsAmong(conversationId, added);
      const conversation = yield* requireConversation(userId, conversationId);
      return { conversation, added, changed, hidden: yield* hiddenIn(conversation, changed) };
    };
    const push = ({ conversation: now, added, changed, hidden }: Added): void => {
      if (added.length === 0) return;
      const full = applyPresence(now, statuses);
      // The caller's view without the caller's own fields.
      const { followedThreads: _followed, firstUnreadId: _first, readSeq: _readSeq, ...shared } = full;
      const none = { unreadCount: 0, unreadMentions: 0, unreadThreads: 0 };
      const data: Conversation = { ...shared, ...none, pinned: false, muted: false, archived: false, flagsRev: 0 };
      for (const each of added) broadcaster.joinUser(each, conversationId);
      pushNewConversation(broadcaster, added, data, hidden);
      const update = toConversationUpdate(full, { changed: changed.map((each) => present(each, statuses)), left: [] });
      pushConversation(broadcaster, update, hidden);
    };
    const { conversation, hidden } = await store.write(work, push, { rows: () => userIds.length });
    return visibleTo(userId, applyPresence(conversation, statuses), hidden);
  }

  /**
   * Removes a member, or lets the caller leave permanently. If the last owner leaves, the admin with the longest
   * membership becomes owner, else the member with the longest membership.
   *
   * @throws CommError `FORBIDDEN`, or `NOT_FOUND` if either user isn't a member
   */
  async remove(caller: Caller, { conversationId, userId }: RemoveParticipant): Promise<null> {
    const { store, broadcaster, budgets } = this.#deps;
    const statuses = await this.#conversations.statusesIn(conversationId);
    const work = function* (): Work<
      { rest: Conversation; changed: Participant[]; hidden: HiddenPresence } | undefined
    > {
      const actor = yield* requireGroupMember(conversationId, caller.userId);
      const target = yield* membershipOf(conversationId, userId);
      if (target === undefined) throw notFound();
      if (userId !== caller.userId && !canActOn(actor.role, target.role)) {
        throw forbidden('Requires a higher role than the participant has');
      }
      budgets.chargeRequest(caller, pushWork(yield* memberCount(conversationId)));
      yield* takeRev(conversationId);
      yield* removeMember(conversationId, userId);
      const promoted = yield* ensureOwner(conversationId);
      const [left] = yield* memberPage(conversationId, '', 1);
      const rest = left && (yield* loadConversation(left.user_id, conversationId));
      const changed = yield* participantsAmong(conversationId, promoted === undefined ? [] : [promoted]);
      return rest && { rest, changed, hidden: yield* hiddenIn(rest, changed) };
    };
    await store.write(work, (outcome) => {
      const push = { event: 'conversation:left', data: { conversationId, userId } } as const;
      broadcaster.toUser(userId, push);
      broadcaster.removeUser(userId, conversationId);
      broadcaster.toConversation(conversationId, push);
      if (outcome === undefined) return;
      const changed = outcome.changed.map((each) => present(each, statuses));
      const data = toConversationUpdate(applyPresence(outcome.rest, statuses), { changed, left: [userId] });
      pushConversation(broadcaster, data, outcome.hidden);
    });
    return null;
  }

  /**
   * Changes the role of a member.
   *
   * @throws CommError `FORBIDDEN`, `CONFLICT` if the group would have no owner, `NOT_FOUND`
   */
  async setRole(caller: Caller, { conversationId, userId, role }: SetRole): Promise<Conversation> {
    const { store, broadcaster, budgets } = this.#deps;
    const statuses = await this.#conversations.statusesIn(conversationId);
    const work = function* (): Work<{ conversation: Conversation; changed: Participant[]; hidden: HiddenPresence }> {
      const actor = yield* requireManager(conversationId, caller.userId);
      const target = yield* membershipOf(conversationId, userId);
      if (target === undefined) throw notFound();
      if (!canActOn(actor.role, target.role, role)) throw forbidden('Requires the role owner');
      const changed = target.role !== role;
      if (changed && target.role === 'owner' && (yield* ownerIds(conversationId)).length === 1) {
        throw conflict('A group must have an owner; promote another member first');
      }
      if (changed) {
        budgets.chargeRequest(caller, pushWork(yield* memberCount(conversationId)));
        yield* takeRev(conversationId);
        yield* setRole(conversationId, userId, role);
      }
      const conversation = yield* requireConversation(caller.userId, conversationId);
      const participants = changed ? yield* participantsAmong(conversationId, [userId]) : [];
      return { conversation, changed: participants, hidden: yield* hiddenIn(conversation, participants) };
    };
    const { conversation, hidden } = await store.write(work, (outcome) => {
      const changed = outcome.changed.map((each) => present(each, statuses));
      const data = toConversationUpdate(applyPresence(outcome.conversation, statuses), { changed, left: [] });
      if (changed.length > 0) pushConversation(broadcaster, data, outcome.hidden);
    });
    return visibleTo(caller.userId, applyPresence(conversation, statuses), hidden);
  }
}

function* participantsAmong(conversationId: string, userIds: readonly string[]): Work<Participant[]> {
  // More are not pushed.
  return (yield* membersAmong(conversationId, userIds.slice(0, LIMITS.listedParticipants))).map(toParticipant);
}

/** Returns from whom the presence in the push of a change is hidden. */
function* hiddenIn(conversation: Conversation, changed: readonly Participant[]): Work<HiddenPresence> {
  const shown = new Set([...listedIds([conversation]), ...changed.map(({ userId }) => userId)]);
  return yield* hiddenPresence(conversation.id, [...shown]);
}
