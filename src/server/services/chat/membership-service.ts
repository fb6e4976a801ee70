import type {
  AddParticipants,
  Conversation,
  Participant,
  RemoveParticipant,
  SetRole,
} from '../../../protocol/conversations.ts';
import { takeRev } from '../../store/queries/counters.ts';
import { bannedAmong } from '../../store/queries/groups/bans.ts';
import { isMember, memberCount, memberIds, membershipOf, ownerIds, setRole } from '../../store/queries/members.ts';
import type { Work } from '../../store/engine/work.ts';
import type { HiddenPresence } from '../../store/queries/people/blocks.ts';
import {
  applyPresence,
  present,
  pushConversation,
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
import {
  additionTo,
  addToGroup,
  hiddenIn,
  participantsAmong,
  pushAddition,
  pushRemoval,
  removeFromGroup,
  type Addition,
  type Removal,
} from './member-changes.ts';
import { requireGroupMember, canActOn, requireManager } from './roles.ts';

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
   * would be too large, `CONFLICT` if a user is banned, `NOT_FOUND`
   */
  async add(caller: Caller, { conversationId, userIds }: AddParticipants): Promise<Conversation> {
    const { store, broadcaster, clock, presence, profiles, contacts, limits, budgets } = this.#deps;
    const { userId } = caller;
    await contacts.require(caller, userIds);
    const known = await this.#conversations.statusesIn(conversationId, () => isMember(conversationId, caller.userId));
    await profiles.resolve(userIds);
    const statuses: PresenceOf = new Map([...known, ...(await presence.presenceOf(userIds))]);
    const work = function* (): Work<Addition> {
      yield* requireManager(conversationId, userId);
      const existing = new Set(yield* memberIds(conversationId));
      const added = [...new Set(userIds)].filter((id) => !existing.has(id));
      requireGroupSize(existing.size + added.length, limits);
      if (caller.trusted !== true) yield* requireUnblocked(userId, added);
      const [banned] = yield* bannedAmong(conversationId, added);
      if (banned !== undefined) throw conflict('userIds must not contain a banned user; lift the ban first');
      budgets.chargeRequest(caller, pushWork(existing.size));
      if (added.length > 0) yield* addToGroup(conversationId, added, isoNow(clock));
      return yield* additionTo(yield* requireConversation(userId, conversationId), added);
    };
    const push = (addition: Addition): void => pushAddition(broadcaster, addition, statuses);
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
    const statuses = await this.#conversations.statusesIn(conversationId, () =>
      isMember(conversationId, caller.userId),
    );
    const work = function* (): Work<Removal> {
      const actor = yield* requireGroupMember(conversationId, caller.userId);
      const target = yield* membershipOf(conversationId, userId);
      if (target === undefined) throw notFound();
      if (userId !== caller.userId && !canActOn(actor.role, target.role)) {
        throw forbidden('Requires a higher role than the participant has');
      }
      return yield* removeFromGroup(budgets, caller, { conversationId, userId });
    };
    await store.write(work, (removal) => pushRemoval(broadcaster, removal, statuses));
    return null;
  }

  /**
   * Changes the role of a member.
   *
   * @throws CommError `FORBIDDEN`, `CONFLICT` if the group would have no owner, `NOT_FOUND`
   */
  async setRole(caller: Caller, { conversationId, userId, role }: SetRole): Promise<Conversation> {
    const { store, broadcaster, budgets } = this.#deps;
    const statuses = await this.#conversations.statusesIn(conversationId, () =>
      isMember(conversationId, caller.userId),
    );
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
