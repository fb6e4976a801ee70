import { loadConversation } from '../../store/queries/conversations.ts';
import { takeRev } from '../../store/queries/counters.ts';
import { isMember, memberPage, membershipOf, removeMember } from '../../store/queries/members.ts';
import {
  CONVERSATION_ERASERS,
  deleteConversation,
  deleteMessages,
  typeOfConversation,
} from '../../store/queries/user-data/erased-rows.ts';
import type { HiddenPresence } from '../../store/queries/people/blocks.ts';
import type { Work } from '../../store/engine/work.ts';
import { notFound } from '../errors.ts';
import { eraseRows } from '../people/erase-rows.ts';
import type { ServiceDeps } from '../service-deps.ts';
import type { PresenceOf } from './conversation-presence.ts';
import type { ConversationService } from './conversation-service.ts';
import { hiddenIn, pushRemoval, removeFromGroup, type Removal } from './member-changes.ts';
import { appCaller } from './owner-of.ts';

/** Members that are removed in one transaction. */
const MEMBERS_TOGETHER = 20;
/** Messages that are deleted in one transaction, with what belongs to them. */
const MESSAGES_TOGETHER = 100;
/** No member is left whose presence would be pushed. */
const NO_PRESENCE: PresenceOf = new Map();

/** Removes users and conversations for the app: no membership and no role is required. */
export class DepartureService {
  readonly #deps: ServiceDeps;
  readonly #conversations: ConversationService;

  constructor(deps: ServiceDeps, conversations: ConversationService) {
    this.#deps = deps;
    this.#conversations = conversations;
  }

  /** Lets a user leave a conversation, a direct one too. Pushed as any departure. Idempotent. */
  async leave(conversationId: string, userId: string): Promise<void> {
    const { store, broadcaster, budgets } = this.#deps;
    const statuses = await this.#conversations.statusesIn(conversationId, () => isMember(conversationId, userId));
    const work = function* (): Work<Removal | undefined> {
      const member = yield* membershipOf(conversationId, userId);
      if (member === undefined) return undefined;
      if (member.type === 'group')
        return yield* removeFromGroup(budgets, appCaller(userId), { conversationId, userId });
      yield* takeRev(conversationId);
      yield* removeMember(conversationId, userId);
      const [left] = yield* memberPage(conversationId, '', 1);
      const rest = left && (yield* loadConversation(left.user_id, conversationId));
      const hidden: HiddenPresence = rest === undefined ? new Map() : yield* hiddenIn(rest, []);
      return { conversationId, userId, rest, changed: [], hidden };
    };
    await store.write(work, (removal) => {
      if (removal !== undefined) pushRemoval(broadcaster, removal, statuses);
    });
  }

  /**
   * Deletes a conversation: every member leaves it, then its messages and files are deleted, in steps between which other requests
   * run. After a failure it can be repeated.
   *
   * @throws CommError `NOT_FOUND`
   */
  async deleteConversation(conversationId: string): Promise<void> {
    const { store } = this.#deps;
    if ((await store.read(() => typeOfConversation(conversationId))) === undefined) throw notFound();
    while ((await store.read(() => typeOfConversation(conversationId))) !== undefined) {
      await this.#removeAll(conversationId);
      const work = (): Work<number> => deleteMessages(conversationId, MESSAGES_TOGETHER);
      while ((await store.write(work, undefined, { rows: () => MESSAGES_TOGETHER })) > 0);
      for (const eraser of CONVERSATION_ERASERS) await eraseRows(store, eraser, conversationId);
      // Unless a user was added meanwhile.
      await store.write(() => deleteConversation(conversationId));
    }
  }

  async #removeAll(conversationId: string): Promise<void> {
    const { store, broadcaster } = this.#deps;
    const work = function* (): Work<readonly string[]> {
      const userIds = (yield* memberPage(conversationId, '', MEMBERS_TOGETHER)).map((row) => row.user_id);
      if (userIds.length > 0) yield* takeRev(conversationId);
      for (const userId of userIds) yield* removeMember(conversationId, userId);
      return userIds;
    };
    const push = (userIds: readonly string[]): void => {
      for (const userId of userIds)
        pushRemoval(
          broadcaster,
          { conversationId, userId, rest: undefined, changed: [], hidden: new Map() },
          NO_PRESENCE,
        );
    };
    while ((await store.write(work, push, { rows: () => MEMBERS_TOGETHER })).length > 0);
  }
}
