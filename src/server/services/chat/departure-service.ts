import type { Conversation, Participant } from '../../../protocol/conversations.ts';
import { loadConversation } from '../../store/queries/conversations.ts';
import { takeRev } from '../../store/queries/counters.ts';
import { ensureOwner, memberPage, membershipOf, membersAmong, removeMember } from '../../store/queries/members.ts';
import { toParticipant } from '../../store/queries/rows.ts';
import { deleteConversation, deleteMessages, typeOfConversation } from '../../store/queries/user-data/erased-rows.ts';
import type { Work } from '../../store/engine/work.ts';
import { notFound } from '../errors.ts';
import type { ServiceDeps } from '../service-deps.ts';
import { applyPresence, present, toConversationUpdate } from './conversation-presence.ts';
import type { ConversationService } from './conversation-service.ts';

interface Left {
  readonly rest: Conversation | undefined;
  readonly changed: readonly Participant[];
}

/** Members that are removed in one transaction. */
const MEMBERS_TOGETHER = 20;
/** Messages that are deleted in one transaction, with what belongs to them. */
const MESSAGES_TOGETHER = 100;

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
    const { store } = this.#deps;
    const statuses = await this.#conversations.statusesIn(conversationId);
    const work = function* (): Work<Left | undefined> {
      const member = yield* membershipOf(conversationId, userId);
      if (member === undefined) return undefined;
      yield* takeRev(conversationId);
      yield* removeMember(conversationId, userId);
      const promoted = member.type === 'direct' ? undefined : yield* ensureOwner(conversationId);
      const [left] = yield* memberPage(conversationId, '', 1);
      const rest = left && (yield* loadConversation(left.user_id, conversationId));
      const rows = yield* membersAmong(conversationId, promoted === undefined ? [] : [promoted]);
      return { rest, changed: rows.map(toParticipant) };
    };
    await store.write(work, (left) => {
      if (left === undefined) return;
      this.#pushLeft(conversationId, userId);
      if (left.rest === undefined) return;
      const members = { changed: left.changed.map((each) => present(each, statuses)), left: [userId] };
      const data = toConversationUpdate(applyPresence(left.rest, statuses), members);
      this.#deps.broadcaster.toConversation(conversationId, { event: 'conversation:updated', data });
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
      // Unless a user was added meanwhile.
      await store.write(() => deleteConversation(conversationId));
    }
  }

  async #removeAll(conversationId: string): Promise<void> {
    const { store } = this.#deps;
    const work = function* (): Work<readonly string[]> {
      const userIds = (yield* memberPage(conversationId, '', MEMBERS_TOGETHER)).map((row) => row.user_id);
      if (userIds.length > 0) yield* takeRev(conversationId);
      for (const userId of userIds) yield* removeMember(conversationId, userId);
      return userIds;
    };
    const push = (userIds: readonly string[]): void => {
      for (const userId of userIds) this.#pushLeft(conversationId, userId);
    };
    while ((await store.write(work, push, { rows: () => MEMBERS_TOGETHER })).length > 0);
  }

  #pushLeft(conversationId: string, userId: string): void {
    const { broadcaster } = this.#deps;
    const push = { event: 'conversation:left', data: { conversationId, userId } } as const;
    broadcaster.toUser(userId, push);
    broadcaster.removeUser(userId, conversationId);
    broadcaster.toConversation(conversationId, push);
  }
}
