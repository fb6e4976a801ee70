import { uuidv7 } from '../../../lib/ids.ts';
import type { Conversation, CreateConversation, Joined, MemberPage } from '../../../protocol/conversations.ts';
import { LIMITS } from '../../../protocol/limits.ts';
import type { ConversationRef } from '../../../protocol/presence.ts';
import type { ListConversationsQuery, ListMembersQuery } from '../../../protocol/rest.ts';
import {
  createDirect,
  createGroup,
  findDirect,
  setFlag,
  loadConversation,
  type Flag,
  type FlagState,
} from '../../store/queries/conversations.ts';
import {
  joinConversation,
  writeConversationPage,
  type ConversationJsonPage,
} from '../../store/queries/conversation-json.ts';
import { changedSettings, NO_SETTINGS } from '../../store/queries/groups/settings.ts';
import { addMembers, memberCount, memberIds, memberPage, membershipOf } from '../../store/queries/members.ts';
import type { Work } from '../../store/engine/work.ts';
import {
  applyPresence,
  listedIds,
  present,
  pushNewConversation,
  visibleTo,
  withPresence,
} from './conversation-presence.ts';
import { payloadBytes } from '../limits/request-work.ts';
import { toParticipant, type ParticipantRow } from '../../store/queries/rows.ts';
import { hiddenPresence, type HiddenPresence } from '../../store/queries/people/blocks.ts';
import { requireUnblocked } from '../people/block-service.ts';
import { isoNow, type ServiceDeps } from '../service-deps.ts';
import type { Caller } from '../ports.ts';
import { invalid, notFound } from '../errors.ts';
import { readInbox } from './read-inbox.ts';
import { requireGroupSize } from './group-size.ts';

/** A page of conversations that is already written as JSON. */
export interface ConversationPageJson {
  /** JSON of the list of conversations. */
  readonly conversations: string;
  readonly hasMore: boolean;
}

type InitialSettings = Omit<CreateConversation, 'type' | 'name' | 'participantIds'>;

/** Result of {@link ConversationService.create}. */
export interface Created {
  /** The conversation as the caller sees it. */
  readonly conversation: Conversation;
  /** False if the pair already had a direct conversation. */
  readonly created: boolean;
}

/** Implements requests about conversations. Their members are managed by {@link MembershipService}. */
export class ConversationService {
  readonly #deps: ServiceDeps;

  constructor(deps: ServiceDeps) {
    this.#deps = deps;
  }

  /** Returns the conversations of {@link page}. */
  async list(caller: Caller, query?: ListConversationsQuery): Promise<Conversation[]> {
    return JSON.parse((await this.page(caller, query)).conversations) as Conversation[];
  }

  /**
   * Returns the caller's conversations: newest activity first, and with a filter pinned ones before all others. A page ends before its limit if the conversations are
   * large; `hasMore` then is true.
   */
  async page(
    { userId }: Caller,
    { limit, offset = 0, ...filter }: ListConversationsQuery = {},
  ): Promise<ConversationPageJson> {
    const { store, presence, profiles, runningCalls, config, limits } = this.#deps;
    const rows = Math.min(limit ?? config.pageSize, LIMITS.maxPageSize);
    // A search compares the names of all participants.
    const isLong = filter.query !== undefined;
    const work = (): Work<ConversationJsonPage> =>
      writeConversationPage(userId, { limit: rows, bytes: limits.restAnswerBytes }, offset, filter);
    const read = (): Promise<ConversationJsonPage> => readInbox(store, userId, work, { isLong });
    const usersOf = (page: ConversationJsonPage): string[] => [
      ...new Set(page.conversations.flatMap((each) => each.userIds)),
    ];
    let page = await read();
    if (await profiles.resolve(usersOf(page))) page = await read();
    const { conversations, hasMore } = page;
    const statuses = await presence.presenceOf(usersOf(page), userId);
    const running = await runningCalls.activeCalls(conversations.map(({ id }) => id));
    const written = conversations.map((each) => joinConversation(each, statuses, running.get(each.id)));
    return { conversations: `[${written.join(',')}]`, hasMore };
  }

  /** Returns a page of the participants, ordered by user id. @throws CommError `NOT_FOUND` */
  async members(
    { userId }: Caller,
    conversationId: string,
    { after = '', limit = LIMITS.listedParticipants }: ListMembersQuery = {},
  ): Promise<MemberPage> {
    const { store, presence, profiles } = this.#deps;
    const rows = Math.min(limit, LIMITS.maxPageSize);
    const work = function* (): Work<{ found: readonly ParticipantRow[]; count: number }> {
      if ((yield* membershipOf(conversationId, userId)) === undefined) throw notFound();
      // One row more than requested shows whether there are more.
      return { found: yield* memberPage(conversationId, after, rows + 1), count: yield* memberCount(conversationId) };
    };
    let { found, count } = await store.read(work);
    if (await profiles.resolve(found.map((each) => each.user_id))) ({ found, count } = await store.read(work));
    const members = found.slice(0, rows).map(toParticipant);
    const statuses = await presence.presenceOf(
      members.map((each) => each.userId),
      userId,
    );
    return {
      members: members.map((each) => present(each, statuses)),
      memberCount: count,
      hasMore: found.length > rows,
    };
  }

  /** Returns a conversation. @throws CommError `NOT_FOUND` */
  async get({ userId }: Caller, conversationId: string): Promise<Conversation> {
    const { store, profiles } = this.#deps;
    const read = (): Promise<Conversation | undefined> => store.read(() => loadConversation(userId, conversationId));
    let found = await read();
    if (found !== undefined && (await profiles.resolve(listedIds([found])))) found = await read();
    const [conversation] = await withPresence(this.#deps, userId, found === undefined ? [] : [found]);
    if (conversation === undefined) throw notFound();
    return conversation;
  }

  /**
   * Creates a group with the caller as its owner, or a direct conversation. If the pair already has a direct
   * conversation, returns it. Adds the caller's socket to the conversation's room.
   *
   * @throws CommError `INVALID` for a direct conversation that has settings or not exactly one other participant, and for a
   * group that is too large, `FORBIDDEN` if the caller may not contact a participant, `RATE_LIMITED`
   */
  async create(caller: Caller, { type, name, participantIds, ...settings }: CreateConversation): Promise<Created> {
    const { userId, socketId, caps } = caller;
    const { store, broadcaster, clock, presence, profiles, budgets, contacts, limits } = this.#deps;
    const others = [...new Set(participantIds)].filter((id) => id !== userId);
    const [other] = others;
    if (type === 'direct' && (other === undefined || others.length !== 1)) {
      throw invalid(
        `participantIds must contain one user besides the caller in a direct conversation; got ${others.length}`,
      );
    }
    if (type === 'direct') requireNoSettings(settings);
    const people = [userId, ...others];
    requireGroupSize(people.length, limits);
    const existing =
      type === 'direct' && other !== undefined ? await store.read(() => findDirect(userId, other)) : undefined;
    if (existing === undefined) await contacts.require(caller, others);
    await profiles.resolve(people);
    const statuses = await presence.presenceOf(people);
    const work = function* (): Work<Created & { hidden: HiddenPresence }> {
      const known = type === 'direct' && other !== undefined ? yield* findDirect(userId, other) : undefined;
      const id = known ?? uuidv7();
      const now = isoNow(clock);
      if (known === undefined) {
        if (caller.trusted !== true) yield* requireUnblocked(userId, others);
        budgets.chargeConversation(caller);
        budgets.chargeStoredBytes(caller, payloadBytes(settings));
      }
      if (known !== undefined) yield* rejoin(known, people, now);
      else if (type === 'direct' && other !== undefined) yield* createDirect(id, userId, other, now);
      else yield* createGroup(id, name, changedSettings(NO_SETTINGS, settings), now);
      if (known === undefined) {
        yield* addMembers(id, people, { ownerId: type === 'group' ? userId : undefined, now });
      }
      const conversation = yield* requireConversation(userId, id);
      return {
        conversation,
        created: known === undefined,
        hidden: yield* hiddenPresence(id, listedIds([conversation])),
      };
    };
    const push = (made: Created & { hidden: HiddenPresence }): void => {
      const data = applyPresence(made.conversation, statuses);
      if (socketId !== undefined) broadcaster.joinSocket(socketId, data.id);
      if (!made.created) {
        // A base client has no other answer to its request.
        if (socketId !== undefined && !caps.has('ack'))
          broadcaster.toSocket(socketId, { event: 'conversation:new', data: visibleTo(userId, data, made.hidden) });
        return;
      }
      for (const each of people) broadcaster.joinUser(each, data.id, data.head);
      // A new conversation has no unread messages and no flags, so the same push fits all members.
      pushNewConversation(broadcaster, people, data, made.hidden);
    };
    const { conversation, created, hidden } = await store.write(work, push, { rows: () => people.length });
    return { conversation: visibleTo(userId, applyPresence(conversation, statuses), hidden), created };
  }

  /**
   * Adds the caller's socket to the room and returns the conversation. The room is joined before the state is read, so
   * that no change is missed.
   */
  async join(caller: Caller, { conversationId }: ConversationRef): Promise<Joined> {
    const { store, broadcaster } = this.#deps;
    const member = await store.read(() => membershipOf(conversationId, caller.userId));
    if (member === undefined) throw notFound();
    if (caller.socketId !== undefined) {
      broadcaster.joinSocket(caller.socketId, conversationId);
      const subscribed = broadcaster.subscribed();
      if (subscribed !== undefined) await subscribed;
    }
    try {
      const conversation = await this.get(caller, conversationId);
      return { conversation, head: conversation.head ?? { seq: 0, rev: 0 } };
    } catch (error) {
      // The caller was removed in the meantime, possibly before the socket had joined the room.
      if (caller.socketId !== undefined) broadcaster.leaveSocket(caller.socketId, conversationId);
      throw error;
    }
  }

  /** Removes the caller's socket from the room. The membership continues. */
  async leave(caller: Caller, { conversationId }: ConversationRef): Promise<null> {
    const { store, broadcaster } = this.#deps;
    if (caller.socketId !== undefined) broadcaster.leaveSocket(caller.socketId, conversationId);
    const member = await store.read(() => membershipOf(conversationId, caller.userId));
    if (member === undefined) throw notFound();
    return null;
  }

  /**
   * Returns the presence of the members; of none if `mayRead` is false. Read before a change, so that its push needn't wait: for a
   * user whose request will be refused, nothing is read and no hook is asked, because the time that it takes would show that
   * the conversation exists.
   */
  async statusesIn(
    conversationId: string,
    mayRead: () => Work<boolean>,
  ): Promise<Awaited<ReturnType<ServiceDeps['presence']['presenceOf']>>> {
    const { store, presence, profiles } = this.#deps;
    const userIds = await store.read(function* () {
      return (yield* mayRead()) ? yield* memberIds(conversationId) : [];
    });
    await profiles.resolve(userIds);
    return await presence.presenceOf(userIds);
  }

  /** Sets the caller's own archived, muted or pinned flag. */
  async setFlag({ userId }: Caller, conversationId: string, flag: Flag, on: boolean): Promise<null> {
    const { store, broadcaster } = this.#deps;
    const work = function* (): Work<FlagState | 'unchanged'> {
      const flags = yield* setFlag(conversationId, userId, flag, on);
      if (flags === undefined) throw notFound();
      return flags;
    };
    await store.write(work, (flags) => {
      if (flags === 'unchanged') return;
      // All flags, because pushes of several processes arrive in any order, and clients keep the state with the greater `flagsRev`.
      broadcaster.toUser(userId, { event: 'conversation:updated', data: { id: conversationId, ...flags } });
    });
    return null;
  }
}

/** @throws CommError `INVALID` */
function requireNoSettings({ description, avatarUrl, metadata, visibility = 'private' }: InitialSettings): void {
  if (description === undefined && avatarUrl === undefined && metadata === undefined && visibility === 'private')
    return;
  throw invalid('description, avatarUrl, metadata and visibility must be absent in a direct conversation');
}

/** Restores a member whose row was deleted by the app's own SQL. */
function* rejoin(conversationId: string, people: readonly string[], now: string): Work<void> {
  const present = new Set(yield* memberIds(conversationId));
  const missing = people.filter((id) => !present.has(id));
  if (missing.length > 0) yield* addMembers(conversationId, missing, { now });
}

/** Returns the conversation as the user sees it in the current transaction. @throws CommError `NOT_FOUND` */
export function* requireConversation(userId: string, conversationId: string): Work<Conversation> {
  const conversation = yield* loadConversation(userId, conversationId);
  if (conversation === undefined) throw notFound();
  return conversation;
}
