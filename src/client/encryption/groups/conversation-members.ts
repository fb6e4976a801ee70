import { BoundedMap, BoundedSet } from '../../../lib/bounded-map.ts';
import { lazy } from '../../../lib/lazy.ts';
import type { Conversation, MemberPage } from '../../../protocol/conversations.ts';
import { CommError } from '../../../protocol/errors.ts';
import { fields } from '../../../transport/fields.ts';
import { parseConversation } from '../../../transport/parse-rows.ts';
import { isIncomplete } from '../../changes.ts';
import type { ClientContext } from '../../context.ts';
import { type Keystore, RECORDS } from '../keystore/keystore.ts';
import {
  compareRecipients,
  type ConversationInfo,
  evaluateMembers,
  getMemberPin,
  type MembersChange,
  putMemberPin,
  readMemberPin,
} from './member-pin.ts';

const MAX_REPORTED = 500;
/** Large groups whose participants are kept. */
const MAX_GROUPS = 50;

/**
 * Determines the members of conversations: as the server reports them, or as a base server has reported them before. They are
 * pinned, so that the server can't add readers without a trace.
 */
export class ConversationMembers {
  readonly #context: ClientContext;
  readonly #policy: 'warn' | 'block';
  readonly #read: (conversationId: string) => Promise<ConversationInfo>;
  /** Differences of recipients that were emitted. */
  readonly #reported = new BoundedSet<string>(MAX_REPORTED);
  readonly #memberStore = lazy(async () => {
    const { MemberStore } = await import('../keystore/member-store.ts');
    return new MemberStore();
  });

  constructor(
    context: ClientContext,
    policy: 'warn' | 'block',
    read: (conversationId: string) => Promise<ConversationInfo>,
  ) {
    this.#context = context;
    this.#policy = policy;
    this.#read = read;
  }

  /**
   * Returns the ids of all other members, for whom messages may be encrypted. Emits a change before it returns.
   *
   * @throws CommError `UNSUPPORTED` if the members are not known, `E2EE_MEMBERS_CHANGED` if a change is not accepted
   */
  async othersIn(keystore: Keystore, conversationId: string): Promise<readonly string[]> {
    const info = await this.#othersReported(keystore, conversationId);
    const { pin, accepted, change } = await keystore.records.transact([RECORDS.memberPin(conversationId)], (tx) => {
      const before = getMemberPin(tx, conversationId);
      const decision = evaluateMembers(before, info, this.#policy);
      if (decision.pin !== before) putMemberPin(tx, conversationId, decision.pin);
      return decision;
    });
    if (change !== undefined) this.#emit({ conversationId, ...change });
    if (!accepted) {
      throw new CommError('E2EE_MEMBERS_CHANGED', 'The members of the conversation are not those confirmed before', {
        fix: 'Check the members, then call encryption.acceptMembers() and messages.retry().',
      });
    }
    return pin.userIds;
  }

  /**
   * Accepts the members that the server has reported last.
   *
   * @throws CommError `CONFLICT` if a direct conversation would have several peers
   */
  accept(keystore: Keystore, conversationId: string): Promise<void> {
    return keystore.records.transact([RECORDS.memberPin(conversationId)], (tx) => {
      const pin = getMemberPin(tx, conversationId);
      if (pin?.changedTo === undefined) return;
      if (pin.type === 'direct' && pin.changedTo.length !== 1) {
        throw new CommError('CONFLICT', 'A direct conversation has exactly one other member');
      }
      putMemberPin(tx, conversationId, { type: pin.type, userIds: pin.changedTo });
    });
  }

  /** Pins the members that this user has chosen in a request, instead of those that the response reports. */
  async requested(keystore: Keystore, name: string, payload: unknown, response: unknown): Promise<void> {
    const conversation = parseConversation(response);
    const { participantIds, userIds } = fields(payload) ?? {};
    const chosen = (name === 'conversation:create' ? participantIds : userIds) as readonly string[];
    if (conversation === undefined) return;
    const { id, type } = conversation;
    await keystore.records.transact([RECORDS.memberPin(id)], (tx) => {
      const pin = getMemberPin(tx, id);
      if (name === 'conversation:create' ? pin !== undefined : pin?.type !== 'group') return;
      const all = new Set([...(pin?.userIds ?? []), ...chosen].filter((each) => each !== keystore.userId));
      putMemberPin(tx, id, { type, ...pin, userIds: [...all].sort() });
    });
  }

  /**
   * Compares the recipients that a message names with the pinned members, and emits a difference. Messages of the history may
   * be older than a change of a group.
   */
  async compare(
    keystore: Keystore,
    { conversationId, senderId }: { readonly conversationId: string; readonly senderId: string },
    to: readonly string[],
    isLive: boolean,
  ): Promise<void> {
    let pin = await readMemberPin(keystore, conversationId);
    if (pin === undefined && isLive) {
      const info = await this.#othersReported(keystore, conversationId);
      pin = evaluateMembers(undefined, info, this.#policy).pin;
    }
    if (pin === undefined || (pin.type === 'group' && !isLive)) return;
    const change = compareRecipients(pin, keystore.userId, senderId, to);
    const key = JSON.stringify([conversationId, senderId, change?.members]);
    if (change === undefined || this.#reported.has(key)) return;
    this.#reported.add(key);
    this.#emit({ conversationId, ...change });
  }

  /** Learns members from a push of a base server. */
  async recordPush(keystore: Keystore, event: string, data: unknown): Promise<void> {
    if (!this.#context.has('rev')) await (await this.#memberStore()).recordPush(keystore, event, data);
  }

  /** Learns members from the messages of a base server. */
  async recordSenders(
    keystore: Keystore,
    messages: readonly { conversationId: string; senderId: string }[],
  ): Promise<void> {
    if (!this.#context.has('rev')) await (await this.#memberStore()).recordSenders(keystore, messages);
  }

  /** Forgets what was already stored. */
  clear(): void {
    this.#memberStore.current?.clear();
    this.#reported.clear();
  }

  async #othersReported(keystore: Keystore, conversationId: string): Promise<ConversationInfo> {
    const { type, userIds } = await this.#read(conversationId);
    const all = userIds.includes(keystore.userId)
      ? userIds
      : await (await this.#memberStore()).membersOf(keystore, conversationId, type);
    return { type, userIds: all.filter((userId) => userId !== keystore.userId) };
  }

  #emit(change: MembersChange): void {
    this.#context.emitter.emit('encryption:members-changed', change);
  }
}

/** Requests in which the user chooses members. */
export const MEMBER_REQUESTS: ReadonlySet<string> = new Set(['conversation:create', 'conversation:add-participants']);

/**
 * The participants of large groups, of which a conversation lists only some. They are read in pages, and again only after
 * they have changed.
 */
export class AllMembers {
  readonly #page: (conversationId: string, after: string | undefined) => Promise<MemberPage>;
  readonly #known = new BoundedMap<string, { readonly membersRev: number; readonly userIds: readonly string[] }>(
    MAX_GROUPS,
  );

  constructor(page: (conversationId: string, after: string | undefined) => Promise<MemberPage>) {
    this.#page = page;
  }

  /** Returns the ids of all participants. */
  async of(conversation: Conversation): Promise<readonly string[]> {
    const { id, participants, membersRev } = conversation;
    if (!isIncomplete(conversation)) return participants.map(({ userId }) => userId);
    const known = this.#known.get(id);
    if (known !== undefined && known.membersRev === membersRev) return known.userIds;
    const userIds: string[] = [];
    for (let hasMore = true; hasMore;) {
      const page = await this.#page(id, userIds.at(-1));
      userIds.push(...page.members.map(({ userId }) => userId));
      hasMore = page.hasMore && page.members.length > 0;
    }
    if (membersRev !== undefined) this.#known.set(id, { membersRev, userIds });
    return userIds;
  }

  clear(): void {
    this.#known.clear();
  }
}
