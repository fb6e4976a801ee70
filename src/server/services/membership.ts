import type { AddParticipants, Conversation, RemoveParticipant, SetRole } from '../../protocol/conversations.ts';
import { takeRev } from '../store/counters.ts';
import { addMembers, ensureOwner, memberIds, membershipOf, ownerIds, removeMember, setRole } from '../store/members.ts';
import { viewConversation } from '../store/conversations.ts';
import type { Work } from '../store/work.ts';
import { present, shared, type PresenceOf } from './conversation-presence.ts';
import { viewed, type ConversationsService } from './conversations.ts';
import { isoNow, type ServiceDeps } from './deps.ts';
import type { Caller } from './ports.ts';
import { conflict, forbidden, notFound } from './refusals.ts';
import { groupMember, mayActOn, mayManage } from './roles.ts';

/**
 * Who is in a group, and as what. Each change moves the conversation's `rev` once and is told by `conversation:updated`
 * with all people and the new head.
 *
 * Whoever is added sees the whole history; it counts as read and delivered, so that nobody starts with a mountain of
 * unread messages and no old message falls back to "sent".
 */
export class MembershipService {
  readonly #deps: ServiceDeps;
  readonly #conversations: ConversationsService;

  constructor(deps: ServiceDeps, conversations: ConversationsService) {
    this.#deps = deps;
    this.#conversations = conversations;
  }

  /** Those who are in it already are passed over. */
  async add({ userId }: Caller, { conversationId, userIds }: AddParticipants): Promise<Conversation> {
    const { store, hub, clock, presence } = this.#deps;
    const known = await this.#conversations.statusesIn(conversationId);
    const statuses: PresenceOf = new Map([...known, ...(await presence.presenceOf(userIds))]);
    const work = function* (): Work<{ conversation: Conversation; added: readonly string[] }> {
      yield* mayManage(conversationId, userId);
      const there = new Set(yield* memberIds(conversationId));
      const added = [...new Set(userIds)].filter((id) => !there.has(id));
      if (added.length > 0) {
        yield* takeRev(conversationId);
        yield* addMembers(conversationId, added, { now: isoNow(clock) });
      }
      return { conversation: yield* viewed(userId, conversationId), added };
    };
    const { conversation } = await store.write(work, ({ conversation: now, added }) => {
      if (added.length === 0) return;
      const full = present(now, statuses);
      // The caller's own view, less what is the caller's alone.
      const data: Conversation = { ...full, unreadCount: 0, pinned: false, muted: false, archived: false, flagsRev: 0 };
      for (const each of added) hub.joinUser(each, conversationId);
      hub.toUsers(added, { event: 'conversation:new', data });
      hub.toConversation(conversationId, { event: 'conversation:updated', data: shared(full) });
    });
    return present(conversation, statuses);
  }

  /**
   * Removes somebody, or lets the caller leave for good. With the last owner gone, the longest-serving admin takes over,
   * else the longest-serving member.
   *
   * @throws CommError `FORBIDDEN`, or `NOT_FOUND` when either isn't in the conversation
   */
  async remove(caller: Caller, { conversationId, userId }: RemoveParticipant): Promise<null> {
    const { store, hub } = this.#deps;
    const statuses = await this.#conversations.statusesIn(conversationId);
    const work = function* (): Work<Conversation | undefined> {
      const actor = yield* groupMember(conversationId, caller.userId);
      const target = yield* membershipOf(conversationId, userId);
      if (target === undefined) throw notFound();
      if (userId !== caller.userId && !mayActOn(actor.role, target.role)) {
        throw forbidden('This takes a higher role in the group');
      }
      yield* takeRev(conversationId);
      yield* removeMember(conversationId, userId);
      yield* ensureOwner(conversationId);
      const [left] = yield* memberIds(conversationId);
      return left === undefined ? undefined : yield* viewConversation(left, conversationId);
    };
    await store.write(work, (rest) => {
      const push = { event: 'conversation:left', data: { conversationId, userId } } as const;
      hub.toUser(userId, push);
      hub.removeUser(userId, conversationId);
      hub.toConversation(conversationId, push);
      if (rest === undefined) return;
      const data = shared(present(rest, statuses));
      hub.toConversation(conversationId, { event: 'conversation:updated', data });
    });
    return null;
  }

  /**
   * @throws CommError `FORBIDDEN`, `CONFLICT` when the group would be left without an owner, `NOT_FOUND`
   */
  async setRole(caller: Caller, { conversationId, userId, role }: SetRole): Promise<Conversation> {
    const { store, hub } = this.#deps;
    const statuses = await this.#conversations.statusesIn(conversationId);
    const work = function* (): Work<{ conversation: Conversation; changed: boolean }> {
      const actor = yield* mayManage(conversationId, caller.userId);
      const target = yield* membershipOf(conversationId, userId);
      if (target === undefined) throw notFound();
      if (!mayActOn(actor.role, target.role, role)) throw forbidden('This takes an owner of the group');
      const changed = target.role !== role;
      if (changed && target.role === 'owner' && (yield* ownerIds(conversationId)).length === 1) {
        throw conflict('A group has an owner: name another one first');
      }
      if (changed) {
        yield* takeRev(conversationId);
        yield* setRole(conversationId, userId, role);
      }
      return { conversation: yield* viewed(caller.userId, conversationId), changed };
    };
    const { conversation } = await store.write(work, (outcome) => {
      const data = shared(present(outcome.conversation, statuses));
      if (outcome.changed) hub.toConversation(conversationId, { event: 'conversation:updated', data });
    });
    return present(conversation, statuses);
  }
}
