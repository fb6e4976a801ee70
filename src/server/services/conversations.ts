import { uuidv7 } from '../../lib/ids.ts';
import type { Conversation, CreateConversation, Joined, RenameConversation } from '../../protocol/conversations.ts';
import { LIMITS } from '../../protocol/limits.ts';
import type { ConversationRef } from '../../protocol/presence.ts';
import type { ListConversationsQuery } from '../../protocol/rest.ts';
import {
  conversationPage,
  createDirect,
  createGroup,
  findDirect,
  rename,
  setFlag,
  viewConversation,
  type Flag,
} from '../store/conversations.ts';
import { addMembers, memberIds, membershipOf } from '../store/members.ts';
import type { Work } from '../store/work.ts';
import { present, shared, withPresence } from './conversation-presence.ts';
import { isoNow, type ServiceDeps } from './deps.ts';
import type { Caller } from './ports.ts';
import { invalid, notFound } from './refusals.ts';
import { mayManage } from './roles.ts';

export interface Created {
  readonly conversation: Conversation;
  /** False when the pair had a direct conversation already. */
  readonly created: boolean;
}

/** Conversations as such; who is in them is {@link MembershipService}'s. */
export class ConversationsService {
  readonly #deps: ServiceDeps;

  constructor(deps: ServiceDeps) {
    this.#deps = deps;
  }

  /** The caller's conversations, newest activity first. */
  async list({ userId }: Caller, { limit, offset = 0 }: ListConversationsQuery = {}): Promise<Conversation[]> {
    const { store, presence, config } = this.#deps;
    const rows = Math.min(limit ?? config.pageSize, LIMITS.maxPageSize);
    return await withPresence(presence, await store.read(() => conversationPage(userId, rows, offset)));
  }

  /** @throws CommError `NOT_FOUND` */
  async get({ userId }: Caller, conversationId: string): Promise<Conversation> {
    const { store, presence } = this.#deps;
    const found = await store.read(() => viewConversation(userId, conversationId));
    const [conversation] = await withPresence(presence, found === undefined ? [] : [found]);
    if (conversation === undefined) throw notFound();
    return conversation;
  }

  /**
   * Makes a group with the caller as its owner, or answers with the pair's direct conversation, which is made when there
   * is none.
   *
   * @throws CommError `INVALID` for a direct conversation that is not with exactly one other person
   */
  async create({ userId }: Caller, { type, name, participantIds }: CreateConversation): Promise<Created> {
    const { store, hub, clock, presence } = this.#deps;
    const others = [...new Set(participantIds)].filter((id) => id !== userId);
    const [other] = others;
    if (type === 'direct' && (other === undefined || others.length !== 1)) {
      throw invalid('A direct conversation is with exactly one other person');
    }
    const people = [userId, ...others];
    const statuses = await presence.presenceOf(people);
    const work = function* (): Work<Created> {
      const known = type === 'direct' && other !== undefined ? yield* findDirect(userId, other) : undefined;
      const id = known ?? uuidv7();
      const now = isoNow(clock);
      if (known !== undefined) yield* rejoin(known, people, now);
      else if (type === 'direct' && other !== undefined) yield* createDirect(id, userId, other, now);
      else yield* createGroup(id, name, now);
      if (known === undefined) {
        yield* addMembers(id, people, { ownerId: type === 'group' ? userId : undefined, now });
      }
      return { conversation: yield* viewed(userId, id), created: known === undefined };
    };
    const { conversation, created } = await store.write(work, (made) => {
      if (!made.created) return;
      const data = present(made.conversation, statuses);
      for (const each of people) hub.joinUser(each, data.id);
      // Nobody has unread messages or flags in a conversation that is new, so all of them see the same.
      hub.toUsers(people, { event: 'conversation:new', data });
    });
    return { conversation: present(conversation, statuses), created };
  }

  /** The socket enters the room first and the state is read after that: nothing falls between the two. */
  async join(caller: Caller, { conversationId }: ConversationRef): Promise<Joined> {
    const { store, hub } = this.#deps;
    const member = await store.read(() => membershipOf(conversationId, caller.userId));
    if (member === undefined) throw notFound();
    if (caller.socketId !== undefined) hub.joinSocket(caller.socketId, conversationId);
    try {
      const conversation = await this.get(caller, conversationId);
      return { conversation, head: conversation.head ?? { seq: 0, rev: 0 } };
    } catch (error) {
      // Removed in between, perhaps before there was anything to remove from the room.
      if (caller.socketId !== undefined) hub.leaveSocket(caller.socketId, conversationId);
      throw error;
    }
  }

  /** The socket leaves the room; the person stays in the conversation. */
  async leave(caller: Caller, { conversationId }: ConversationRef): Promise<null> {
    const { store, hub } = this.#deps;
    if (caller.socketId !== undefined) hub.leaveSocket(caller.socketId, conversationId);
    const member = await store.read(() => membershipOf(conversationId, caller.userId));
    if (member === undefined) throw notFound();
    return null;
  }

  /** @throws CommError `FORBIDDEN` for direct conversations and for those who don't manage the group, `NOT_FOUND` */
  async rename({ userId }: Caller, { conversationId, name }: RenameConversation): Promise<Conversation> {
    const { store, hub } = this.#deps;
    const statuses = await this.statusesIn(conversationId);
    const work = function* (): Work<{ conversation: Conversation; changed: boolean }> {
      const member = yield* mayManage(conversationId, userId);
      const changed = member.name !== name;
      if (changed) yield* rename(conversationId, name);
      return { conversation: yield* viewed(userId, conversationId), changed };
    };
    const { conversation } = await store.write(work, (renamed) => {
      const data = shared(present(renamed.conversation, statuses));
      if (renamed.changed) hub.toConversation(conversationId, { event: 'conversation:updated', data });
    });
    return present(conversation, statuses);
  }

  /** How present the people of a conversation are, taken before a change so that its push need not wait for it. */
  async statusesIn(conversationId: string): Promise<Awaited<ReturnType<ServiceDeps['presence']['presenceOf']>>> {
    const { store, presence } = this.#deps;
    return await presence.presenceOf(await store.read(() => memberIds(conversationId)));
  }

  /** Archives, mutes or pins for the caller alone. */
  async setFlag({ userId }: Caller, conversationId: string, flag: Flag, on: boolean): Promise<null> {
    const { store, hub } = this.#deps;
    const work = function* (): Work<number> {
      const flagsRev = yield* setFlag(conversationId, userId, flag, on);
      if (flagsRev === undefined) throw notFound();
      return flagsRev;
    };
    await store.write(work, (flagsRev) => {
      if (flagsRev === 0) return;
      hub.toUser(userId, { event: 'conversation:updated', data: { id: conversationId, [flag]: on, flagsRev } });
    });
    return null;
  }
}

/** Somebody whose row is gone (an app's own doing) comes back to their direct conversation. */
function* rejoin(conversationId: string, people: readonly string[], now: string): Work<void> {
  const present = new Set(yield* memberIds(conversationId));
  const missing = people.filter((id) => !present.has(id));
  if (missing.length > 0) yield* addMembers(conversationId, missing, { now });
}

/** The conversation as the user sees it in this very transaction. */
export function* viewed(userId: string, conversationId: string): Work<Conversation> {
  const conversation = yield* viewConversation(userId, conversationId);
  if (conversation === undefined) throw notFound();
  return conversation;
}
