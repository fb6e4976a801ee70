import type { Conversation, ConversationChanges, Head, Sync, SyncResult } from '../../../protocol/conversations.ts';
import { LIMITS } from '../../../protocol/limits.ts';
import type { Message } from '../../../protocol/messages.ts';
import {
  changedRowsByConversation,
  cursorList,
  followedConversations,
  headPage,
  inboxChanges,
  lostConversations,
  moreChangedThan,
  otherConversations,
  type ConversationHead,
  type Cursors,
  type FollowedConversation,
  type InboxChanges,
} from '../../store/queries/changes.ts';
import { loadConversations } from '../../store/queries/conversations.ts';
import { inboxRevOf } from '../../store/queries/counters.ts';
import { listedMembers } from '../../store/queries/members.ts';
import { mapMessages } from '../../store/queries/message-mapper.ts';
import type { Work } from '../../store/engine/work.ts';
import { ANSWER_CONVERSATIONS, ByteBudget, trimRows } from './sync-budget.ts';

/** Bytes of `heads` and `joined` in an answer with changes, and in a page of heads; of `lost` and of `reads`. */
const HEADS_BYTES = 49_152;
const HEAD_PAGE_BYTES = 163_840;
const LOST_BYTES = 16_384;
const READS_BYTES = 32_768;
/** Rows that are read for these lists; more never fit. */
const MAX_HEADS = 1_000;
const MAX_PAGED_HEADS = 2_000;
const MAX_LOST = 500;
const MAX_NEWS = 250;
/** Conversations per statement, so that those that don't fit in the answer aren't read. */
const LOAD_BATCH_SIZE = 8;

/** Sizes of an answer. */
export interface AnswerSize {
  /** Number of new conversations. */
  readonly gained: number;
  /** Size of the changes and conversations in bytes. */
  readonly bytes: number;
}

/** Collects the changes since the client's cursors, as far as they fit in one answer. */
export function* collectChanges(
  userId: string,
  { cursors, inboxRev: asked }: Sync,
  size: AnswerSize,
): Work<SyncResult> {
  const inboxRev = yield* clientInboxRev(userId);
  const isFull = isFullSync(asked, inboxRev);
  const news = isFull ? NO_NEWS : yield* inboxChanges(userId, asked - 1, MAX_NEWS);
  const budget = new ByteBudget(size.bytes);
  const asList = cursorList(cursors);
  const followed = yield* followedConversations(userId, asList, MAX_HEADS + 1, { unchanged: isFull });
  const wanted = withFlagged(followed, [...news.flagged, ...news.joined], cursors);
  const { conversations, omitted } = yield* changesOf(userId, wanted, budget);

  const others = yield* otherConversations(userId, asList, MAX_HEADS + 1);
  const fresh = others.filter(({ joinedInboxRev }) => isFull || joinedInboxRev >= asked);
  const gained = yield* gainedOf(userId, fresh.slice(0, size.gained), budget);
  const gainedIds = new Set(gained.map(({ id }) => id));
  const list = new HeadList(HEADS_BYTES);
  const joined = isFull ? [] : fresh;
  const areListed =
    joined.every(({ id, head, joinedAt }) => list.addJoined(id, joinedAt ?? head)) &&
    [...omitted, ...others].every(({ id, head }) => gainedIds.has(id) || list.add(id, head));

  const lost = new ByteBudget(LOST_BYTES);
  const reads = new ByteBudget(READS_BYTES);
  const fittingReads = news.reads.filter((mark) => reads.take(mark));
  const left = [...new Set([...news.left, ...(yield* lostConversations(userId, asList, MAX_LOST + 1))])];
  const fittingLost = left.slice(0, MAX_LOST).filter((id) => lost.take(id));
  const isComplete =
    areListed &&
    !news.hasMore &&
    fittingLost.length === left.length &&
    fittingReads.length === news.reads.length &&
    followed.length <= MAX_HEADS &&
    others.length <= MAX_HEADS;
  return {
    inboxRev,
    conversations,
    gained,
    ...list.result,
    ...(!isComplete && { next: '' }),
    lost: fittingLost,
    reads: fittingReads,
  };
}

/** Collects a page of the heads of all conversations of the user. */
export function* collectHeads(userId: string, after: string, asked: number): Work<SyncResult> {
  const inboxRev = yield* clientInboxRev(userId);
  const isFull = isFullSync(asked, inboxRev);
  const page = yield* headPage(userId, after, MAX_PAGED_HEADS);
  const list = new HeadList(HEAD_PAGE_BYTES);
  const stale: string[] = [];
  let last: string | undefined;
  for (const { id, head, joinedAt, joinedInboxRev, ownInboxRev } of page) {
    if (!list.add(id, head)) break;
    last = id;
    if (isFull) continue;
    if (joinedInboxRev >= asked) list.addJoined(id, joinedAt ?? head, true);
    else if (ownInboxRev >= asked) stale.push(list.named(id));
  }
  const isComplete = page.length < MAX_PAGED_HEADS && last === page.at(-1)?.id;
  return {
    inboxRev,
    conversations: [],
    gained: [],
    ...list.result,
    ...(!isComplete && { next: last }),
    ...(!isFull && { stale }),
    lost: [],
    reads: [],
  };
}

/** Collects the conversations that did not fit in an earlier answer, and no others. */
export function* collectRemaining(userId: string, cursors: Cursors, { bytes }: AnswerSize): Work<SyncResult> {
  const asList = cursorList(cursors);
  const wanted = yield* followedConversations(userId, asList, MAX_HEADS, { unchanged: true });
  const { conversations, omitted } = yield* changesOf(userId, wanted, new ByteBudget(bytes));
  const list = new HeadList(HEADS_BYTES);
  omitted.every(({ id, head }) => list.add(id, head));
  const lost = new ByteBudget(LOST_BYTES);
  return {
    inboxRev: yield* clientInboxRev(userId),
    conversations,
    gained: [],
    heads: list.result.heads,
    lost: (yield* lostConversations(userId, asList, MAX_LOST)).filter((id) => lost.take(id)),
    reads: [],
  };
}

/**
 * A cursor after the head originates from a database that has since been restored from a backup, so the client must
 * reload.
 */
export function* isTooFarBehind(conversationId: string, cursor: number, head: Head): Work<boolean> {
  if (cursor > head.rev) return true;
  if (head.rev - cursor <= LIMITS.catchUpChanges) return false;
  return yield* moreChangedThan(LIMITS.catchUpChanges, conversationId, cursor);
}

const NO_NEWS: InboxChanges = { joined: [], reads: [], flagged: [], left: [], hasMore: false };

/** Returns the user's inbox revision plus one. 0 is reserved for clients that have never synced. */
function* clientInboxRev(userId: string): Work<number> {
  return 1 + (yield* inboxRevOf(userId));
}

/** As with cursors: a revision that was never issued starts a full sync. */
function isFullSync(asked: number, inboxRev: number): boolean {
  return asked === 0 || asked > inboxRev;
}

/** Adds the followed conversations in which only the user's flags changed. */
function withFlagged(
  followed: readonly FollowedConversation[],
  flagged: readonly ConversationHead[],
  cursors: Cursors,
): FollowedConversation[] {
  const known = new Set(followed.map(({ id }) => id));
  const more = flagged.filter(({ id }) => !known.has(id) && Object.hasOwn(cursors, id));
  return [...followed, ...more.map((each) => ({ ...each, cursor: cursors[each.id] ?? 0 }))];
}

/** Lists of heads that fit in an answer. Ids of an app may be long and may be names such as `__proto__`. */
class HeadList {
  readonly #budget: ByteBudget;
  readonly #heads = new Map<string, Head>();
  readonly #joined = new Map<string, Head>();

  constructor(bytes: number) {
    this.#budget = new ByteBudget(bytes);
  }

  /** @returns whether it fits */
  add(id: string, head: Head): boolean {
    const fits = this.#heads.has(id) || this.#budget.take([id, head]);
    if (fits) this.#heads.set(id, head);
    return fits;
  }

  addJoined(id: string, head: Head, isForced = false): boolean {
    if (isForced) this.#budget.force([id, head]);
    else if (!this.#budget.take([id, head])) return false;
    this.#joined.set(id, head);
    return true;
  }

  /** Counts an id in another list of the same answer. */
  named(id: string): string {
    this.#budget.force(id);
    return id;
  }

  get result(): Pick<SyncResult, 'heads' | 'joined'> {
    return { heads: Object.fromEntries(this.#heads), joined: Object.fromEntries(this.#joined) };
  }
}

function* gainedOf(userId: string, fresh: readonly ConversationHead[], budget: ByteBudget): Work<Conversation[]> {
  const gained: Conversation[] = [];
  for (let at = 0; at < fresh.length && budget.left > 0; at += LOAD_BATCH_SIZE) {
    const ids = fresh.slice(at, at + LOAD_BATCH_SIZE).map(({ id }) => id);
    for (const each of yield* loadConversations(userId, ids)) if (budget.take(each)) gained.push(each);
  }
  return gained;
}

/** Loads the conversations with their changes, as far as they fit: the first one with at least one row. */
function* changesOf(
  userId: string,
  wanted: readonly FollowedConversation[],
  budget: ByteBudget,
): Work<{ conversations: ConversationChanges[]; omitted: ConversationHead[] }> {
  const tooLong = new Set<string>();
  const cursors = new Map<string, number>();
  const asked = wanted.slice(0, ANSWER_CONVERSATIONS);
  for (const { id, cursor, head } of asked) {
    if (cursor === head.rev) continue;
    if (yield* isTooFarBehind(id, cursor, head)) tooLong.add(id);
    else cursors.set(id, cursor);
  }
  const { rows, cut } = yield* changedRowsByConversation(cursors, {
    each: LIMITS.syncChanges,
    total: LIMITS.syncTotal,
  });
  const changed = Map.groupBy(rows, (row) => row.conversation_id);
  const loadable = asked.filter(({ id }) => !cut.has(id));
  const conversations: ConversationChanges[] = [];
  // Loaded in batches, so that conversations that don't fit in the answer aren't read.
  for (let at = 0; at < loadable.length && budget.left > 0; at += LOAD_BATCH_SIZE) {
    const batch = loadable.slice(at, at + LOAD_BATCH_SIZE);
    const ids = batch.map(({ id }) => id);
    const known = batch.filter(({ cursor, membersChangedRev }) => cursor > membersChangedRev).map(({ id }) => id);
    const people = yield* listedMembers(ids, userId, known);
    const messages = yield* mapMessages(
      ids.flatMap((id) => changed.get(id) ?? []),
      people,
    );
    const changes = Map.groupBy(messages, (message) => message.conversationId);
    for (const conversation of yield* loadConversations(userId, ids, people)) {
      const { id: conversationId, head = { seq: 0, rev: 0 } } = conversation;
      const inOrder = (changes.get(conversationId) ?? []).toSorted(
        (a: Message, b: Message) => (a.rev ?? 0) - (b.rev ?? 0),
      );
      const hasMore = cursors.has(conversationId) && inOrder.length === LIMITS.syncChanges;
      const each = {
        conversationId,
        changes: inOrder,
        conversation,
        head,
        hasMore,
        tooLong: tooLong.has(conversationId),
      };
      if (budget.take(each)) conversations.push(each);
      else if (conversations.length === 0) conversations.push(trimmed(each, budget));
    }
  }
  const included = new Set(conversations.map(({ conversationId }) => conversationId));
  return { conversations, omitted: wanted.filter(({ id }) => !included.has(id)) };
}

/** Returns the conversation with the changes that fit, at least one. */
function trimmed(each: ConversationChanges, budget: ByteBudget): ConversationChanges {
  budget.force({ ...each, changes: [] });
  const changes = trimRows(each.changes, budget.left);
  budget.force(changes);
  return { ...each, changes, hasMore: each.hasMore || changes.length < each.changes.length };
}
