import type { Conversation } from '../../../protocol/conversations.ts';
import type {
  BanPage,
  BanUser,
  BrowseConversations,
  BrowsePage,
  EnterConversation,
  UpdateConversation,
} from '../../../protocol/groups.ts';
import { LIMITS } from '../../../protocol/limits.ts';
import type { ListMembersQuery } from '../../../protocol/rest.ts';
import { addBan, banCount, bannedAmong, banPage, removeBan } from '../../store/queries/groups/bans.ts';
import { publicGroups } from '../../store/queries/groups/public-groups.ts';
import { changeSettings, isPublicGroup } from '../../store/queries/groups/settings.ts';
import type { HiddenPresence } from '../../store/queries/people/blocks.ts';
import { isMember, memberCount, membershipOf } from '../../store/queries/members.ts';
import type { Work } from '../../store/engine/work.ts';
import { conflict, forbidden, invalid, notFound } from '../errors.ts';
import { payloadBytes, pushWork } from '../limits/request-work.ts';
import type { Caller } from '../ports.ts';
import { isoNow, type ServiceDeps } from '../service-deps.ts';
import { applyPresence, pushConversation, toConversationUpdate, visibleTo } from './conversation-presence.ts';
import { requireConversation, type ConversationService } from './conversation-service.ts';
import { requireGroupSize } from './group-size.ts';
import {
  additionTo,
  addToGroup,
  hiddenIn,
  pushAddition,
  pushRemoval,
  removeFromGroup,
  type Addition,
  type Removal,
} from './member-changes.ts';
import { canBan, requireManager } from './roles.ts';

/** Bans of one group. */
const MAX_BANS = 10_000;

/**
 * Settings of groups, public groups, and bans. A group that isn't public, one from which the caller is banned, and one that
 * doesn't exist are answered in the same way.
 */
export class GroupService {
  readonly #deps: ServiceDeps;
  readonly #conversations: ConversationService;

  constructor(deps: ServiceDeps, conversations: ConversationService) {
    this.#deps = deps;
    this.#conversations = conversations;
  }

  /**
   * Changes name and settings of a group. Advances `rev` once and pushes `conversation:updated`, unless nothing changes.
   *
   * @throws CommError `FORBIDDEN` for direct conversations and for members who aren't owner or admin, `NOT_FOUND`,
   *   `RATE_LIMITED`
   */
  async update(caller: Caller, { conversationId, ...change }: UpdateConversation): Promise<Conversation> {
    const { store, broadcaster, budgets } = this.#deps;
    const { userId } = caller;
    const statuses = await this.#conversations.statusesIn(conversationId, () =>
      isMember(conversationId, caller.userId),
    );
    const work = function* (): Work<{ conversation: Conversation; changed: boolean; hidden: HiddenPresence }> {
      yield* requireManager(conversationId, userId);
      const changed = yield* changeSettings(conversationId, change);
      if (changed) {
        budgets.chargeRequest(caller, pushWork(yield* memberCount(conversationId)));
        budgets.chargeStoredBytes(caller, payloadBytes(change));
      }
      const conversation = yield* requireConversation(userId, conversationId);
      return { conversation, changed, hidden: yield* hiddenIn(conversation, []) };
    };
    const { conversation, hidden } = await store.write(work, (updated) => {
      const data = toConversationUpdate(applyPresence(updated.conversation, statuses));
      if (updated.changed) pushConversation(broadcaster, data, updated.hidden);
    });
    return visibleTo(userId, applyPresence(conversation, statuses), hidden);
  }

  /** Returns a page of the public groups from which the caller isn't banned. @throws CommError `RATE_LIMITED` */
  async browse(caller: Caller, { query, limit, cursor }: BrowseConversations): Promise<BrowsePage> {
    const { store, config, budgets } = this.#deps;
    if (query !== undefined) budgets.chargeSearch(caller);
    const rows = Math.min(limit ?? config.pageSize, LIMITS.browsePageSize);
    return await store.read(() => publicGroups(caller.userId, { query, limit: rows, cursor }));
  }

  /**
   * Makes the caller a member of a public group. Members get the group as it is. As every new member, the caller sees the
   * whole history, which counts as read.
   *
   * @throws CommError `NOT_FOUND` for a group that isn't public or from which the caller is banned, `INVALID` if it is full,
   *   `RATE_LIMITED`
   */
  async enter(caller: Caller, { conversationId }: EnterConversation): Promise<Conversation> {
    const { store, broadcaster, clock, presence, profiles, limits, budgets } = this.#deps;
    const { userId } = caller;
    const known = await this.#conversations.statusesIn(conversationId, () => mayEnter(conversationId, userId));
    await profiles.resolve([userId]);
    const statuses = new Map([...known, ...(await presence.presenceOf([userId]))]);
    const work = function* (): Work<Addition> {
      const added: string[] = [];
      if (!(yield* isMember(conversationId, userId))) {
        if (!(yield* mayEnter(conversationId, userId))) throw notFound();
        const members = yield* memberCount(conversationId);
        requireGroupSize(members + 1, limits);
        budgets.chargeRequest(caller, pushWork(members));
        yield* addToGroup(conversationId, [userId], isoNow(clock));
        added.push(userId);
      }
      return yield* additionTo(yield* requireConversation(userId, conversationId), added);
    };
    const push = (addition: Addition): void => pushAddition(broadcaster, addition, statuses);
    const { conversation, hidden } = await store.write(work, push);
    return visibleTo(userId, applyPresence(conversation, statuses), hidden);
  }

  /**
   * Bans a user, who is removed and can't become a member again, or lifts the ban. Users who have never been members can be
   * banned too. Idempotent.
   *
   * @throws CommError `FORBIDDEN` unless the caller is owner or admin, and for a target who is owner or admin unless the caller
   *   is an owner, `INVALID` for the caller themselves, `CONFLICT` with too many bans, `NOT_FOUND`, `RATE_LIMITED`
   */
  async ban(caller: Caller, { conversationId, userId, banned, reason }: BanUser): Promise<null> {
    const { store, broadcaster, clock, budgets } = this.#deps;
    const statuses = await this.#conversations.statusesIn(conversationId, () =>
      isMember(conversationId, caller.userId),
    );
    const work = function* (): Work<Removal | undefined> {
      const actor = yield* requireManager(conversationId, caller.userId);
      if (userId === caller.userId) throw invalid('userId must not be the id of the caller');
      if (!banned) {
        yield* removeBan({ conversationId, userId });
        return undefined;
      }
      const target = yield* membershipOf(conversationId, userId);
      if (target !== undefined && !canBan(actor.role, target.role)) {
        throw forbidden('Requires a higher role than the participant has');
      }
      if ((yield* bannedAmong(conversationId, [userId])).length === 0) {
        if ((yield* banCount(conversationId)) >= MAX_BANS) {
          throw conflict(`A conversation can have at most ${MAX_BANS} bans`);
        }
        budgets.chargeStoredBytes(caller, payloadBytes(reason ?? ''));
        yield* addBan({ conversationId, userId }, { by: caller.userId, at: isoNow(clock), reason });
      }
      return target && (yield* removeFromGroup(budgets, caller, { conversationId, userId }));
    };
    await store.write(work, (removal) => {
      if (removal !== undefined) pushRemoval(broadcaster, removal, statuses);
    });
    return null;
  }

  /**
   * Returns a page of the bans, ordered by user id.
   *
   * @throws CommError `FORBIDDEN` for members who aren't owner or admin, `NOT_FOUND`
   */
  async bans({ userId }: Caller, conversationId: string, page: ListMembersQuery = {}): Promise<BanPage> {
    const { after = '', limit = LIMITS.listedParticipants } = page;
    const rows = Math.min(limit, LIMITS.maxPageSize);
    const found = await this.#deps.store.read(function* () {
      yield* requireManager(conversationId, userId);
      // One row more than requested shows whether there are more.
      return yield* banPage(conversationId, after, rows + 1);
    });
    return { bans: found.slice(0, rows), hasMore: found.length > rows };
  }
}

/** Returns whether a user is a member of a conversation, or it is a public group from which the user isn't banned. */
function* mayEnter(conversationId: string, userId: string): Work<boolean> {
  if (yield* isMember(conversationId, userId)) return true;
  return (yield* isPublicGroup(conversationId)) && (yield* bannedAmong(conversationId, [userId])).length === 0;
}
