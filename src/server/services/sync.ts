import type {
  Changes,
  Conversation,
  ConversationChanges,
  Head,
  Sync,
  SyncResult,
} from '../../protocol/conversations.ts';
import { LIMITS } from '../../protocol/limits.ts';
import type { Message } from '../../protocol/messages.ts';
import type { ListChangesQuery } from '../../protocol/rest.ts';
import {
  changedRows,
  changedRowsOfMany,
  conversationsBehind,
  headsOf,
  inboxNews,
  moreChangedThan,
  type Behind,
} from '../store/changes.ts';
import { viewConversation, viewConversations } from '../store/conversations.ts';
import { inboxRevOf } from '../store/counters.ts';
import { unreadCountOf } from '../store/marks.ts';
import { viewMessages } from '../store/views.ts';
import type { Work } from '../store/work.ts';
import { withPresence } from './conversation-presence.ts';
import type { ServiceDeps } from './deps.ts';
import type { Caller } from './ports.ts';
import { notFound } from './refusals.ts';
import { ANSWER_BYTES, ANSWER_CONVERSATIONS, bytesOf, rowsWithinBudget, withinBudget } from './sync-budget.ts';

/**
 * What somebody missed. Changes of messages come as current rows; changes of members and of the name have moved `rev`
 * without a row, and stand in the `conversation` that comes along.
 */
export class SyncService {
  readonly #deps: ServiceDeps;

  constructor(deps: ServiceDeps) {
    this.#deps = deps;
  }

  /** @throws CommError `NOT_FOUND` */
  async changes({ userId }: Caller, conversationId: string, { after, limit }: ListChangesQuery): Promise<Changes> {
    const { store, presence, config } = this.#deps;
    const rows = Math.min(limit ?? config.pageSize, LIMITS.maxPageSize);
    const found = await store.read(function* (): Work<Changes> {
      const conversation = yield* viewConversation(userId, conversationId);
      if (conversation === undefined) throw notFound();
      const head = conversation.head ?? { seq: 0, rev: 0 };
      if (yield* isTooFar({ conversationId, cursor: after, head })) {
        return { changes: [], conversation, head, hasMore: false, tooLong: true };
      }
      // One more than is answered tells whether there is more.
      const changed = yield* changedRows(conversationId, after, rows + 1);
      const changes = rowsWithinBudget(yield* viewMessages(changed.slice(0, rows)));
      return { changes, conversation, head, hasMore: changed.length > changes.length, tooLong: false };
    });
    const [conversation = found.conversation] = await withPresence(presence, [found.conversation]);
    return { ...found, conversation };
  }

  /** What came since the caller's cursors, as far as one answer has room, and on one snapshot of the database. */
  async sync({ userId }: Caller, { cursors, inboxRev, rest }: Sync): Promise<SyncResult> {
    const { store, presence, config } = this.#deps;
    const found = withinBudget(
      await store.read(() =>
        rest === true ? collectRest(userId, cursors) : collect(userId, cursors, inboxRev, config.pageSize),
      ),
    );
    const all = await withPresence(presence, [
      ...found.gained,
      ...found.conversations.map(({ conversation }) => conversation),
    ]);
    const present = new Map(all.map((each) => [each.id, each]));
    const fill = (each: Conversation): Conversation => present.get(each.id) ?? each;
    return {
      ...found,
      gained: found.gained.map(fill),
      conversations: found.conversations.map((each) => ({ ...each, conversation: fill(each.conversation) })),
    };
  }
}

/** A cursor past the head comes from a database that was restored since: nothing of it can be trusted. */
function* isTooFar({ conversationId, cursor, head }: Behind): Work<boolean> {
  if (cursor > head.rev) return true;
  if (head.rev - cursor <= LIMITS.catchUpChanges) return false;
  return yield* moreChangedThan(LIMITS.catchUpChanges, conversationId, cursor);
}

function* collect(
  userId: string,
  cursors: Readonly<Record<string, number>>,
  asked: number,
  pageSize: number,
): Work<SyncResult> {
  const inboxRev = yield* toldInboxRev(userId);
  // As with cursors: a number that was never given out starts over.
  const isFresh = asked === 0 || asked > inboxRev;
  const heads = new Map(yield* headsOf(userId));
  const news = yield* inboxNews(userId, isFresh ? 0 : asked - 1);
  const lost = new Set(isFresh ? [] : news.left);
  for (const id of Object.keys(cursors)) if (!heads.has(id)) lost.add(id);

  const followed = new Set(Object.keys(cursors));
  const fresh = [...heads].filter(([id]) => !followed.has(id) && (isFresh || news.joined.has(id)));
  const gainedIds = fresh.slice(0, pageSize).map(([id]) => id);
  const joined = isFresh ? {} : Object.fromEntries(fresh.map(([id, head]) => [id, news.joined.get(id) ?? head]));
  const gained = yield* viewConversations(userId, gainedIds);

  const behind = yield* conversationsBehind(userId, cursors);
  // Whoever starts over gets all they follow as it is: their marks and flags may be of any age.
  const own = isFresh ? [...heads.keys()] : [...news.flagged, ...news.joined.keys()];
  const flagged = own.filter((id) => followed.has(id));
  const conversations = yield* changesOf(userId, behind, flagged, heads);
  const reads = [];
  for (const mark of isFresh ? [] : news.reads) {
    reads.push({ ...mark, unreadCount: yield* unreadCountOf(mark.conversationId, userId) });
  }
  const untold = untoldOf(behind, flagged, conversations);
  for (const id of [...followed, ...gainedIds]) if (!untold.has(id)) heads.delete(id);
  return { inboxRev, conversations, gained, heads: Object.fromEntries(heads), joined, lost: [...lost], reads };
}

/** One more than is counted: who has been told that nothing happened yet is not who was never told anything. */
function* toldInboxRev(userId: string): Work<number> {
  return 1 + (yield* inboxRevOf(userId));
}

/** What an earlier answer had no room for: each of these conversations as it is, and of no other one. */
function* collectRest(userId: string, cursors: Readonly<Record<string, number>>): Work<SyncResult> {
  // Those alone, and not all that the user has: nothing stands at this cursor.
  const nowhere = Object.fromEntries(Object.keys(cursors).map((id) => [id, -1]));
  const asked = (yield* conversationsBehind(userId, nowhere)).map((each) => ({
    ...each,
    cursor: cursors[each.conversationId] ?? 0,
  }));
  const heads = new Map(asked.map(({ conversationId, head }) => [conversationId, head]));
  const behind = asked.filter(({ cursor, head }) => cursor !== head.rev);
  const conversations = yield* changesOf(userId, behind, [...heads.keys()], heads);
  const untold = untoldOf(behind, [...heads.keys()], conversations);
  return {
    inboxRev: yield* toldInboxRev(userId),
    conversations,
    gained: [],
    heads: Object.fromEntries([...heads].filter(([id]) => untold.has(id))),
    lost: Object.keys(cursors).filter((id) => !heads.has(id)),
    reads: [],
  };
}

/** Of those that have something to tell, the ones that had no room for it. */
function untoldOf(
  behind: readonly Behind[],
  others: readonly string[],
  told: readonly ConversationChanges[],
): ReadonlySet<string> {
  const untold = new Set([...behind.map(({ conversationId }) => conversationId), ...others]);
  for (const { conversationId } of told) untold.delete(conversationId);
  return untold;
}

const VIEWED_AT_ONCE = 8;

/** The conversations that are behind, and those whose flags alone changed: their `conversation` says so. */
function* changesOf(
  userId: string,
  behind: readonly Behind[],
  flagged: readonly string[],
  heads: ReadonlyMap<string, Head>,
): Work<ConversationChanges[]> {
  const tooLong = new Set<string>();
  const cursors = new Map<string, number>();
  for (const each of behind) {
    if (yield* isTooFar(each)) tooLong.add(each.conversationId);
    else cursors.set(each.conversationId, each.cursor);
  }
  const { rows, cut } = yield* changedRowsOfMany(cursors, { each: LIMITS.syncChanges, total: LIMITS.syncTotal });
  const changes = Map.groupBy(yield* viewMessages(rows), (message) => message.conversationId);
  const ids = [...new Set([...behind.map(({ conversationId }) => conversationId), ...flagged])]
    .filter((id) => !cut.has(id))
    .slice(0, ANSWER_CONVERSATIONS);
  const told: ConversationChanges[] = [];
  // A few at a time: what has no room in the answer isn't read, however many people are in it.
  for (let at = 0, left = ANSWER_BYTES; at < ids.length && left > 0; at += VIEWED_AT_ONCE) {
    for (const conversation of yield* viewConversations(userId, ids.slice(at, at + VIEWED_AT_ONCE))) {
      const { id } = conversation;
      const head = heads.get(id) ?? { seq: 0, rev: 0 };
      const inOrder = (changes.get(id) ?? []).toSorted((a: Message, b: Message) => (a.rev ?? 0) - (b.rev ?? 0));
      const hasMore = cursors.has(id) && inOrder.length === LIMITS.syncChanges;
      told.push({ conversationId: id, changes: inOrder, conversation, head, hasMore, tooLong: tooLong.has(id) });
      left -= bytesOf(told.at(-1));
    }
  }
  return told;
}
