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
      const changes = yield* viewMessages(changed.slice(0, rows));
      return { changes, conversation, head, hasMore: changed.length > rows, tooLong: false };
    });
    const [conversation = found.conversation] = await withPresence(presence, [found.conversation]);
    return { ...found, conversation };
  }

  /** Everything since the caller's cursors, in one answer and on one snapshot of the database. */
  async sync({ userId }: Caller, { cursors, inboxRev }: Sync): Promise<SyncResult> {
    const { store, presence, config } = this.#deps;
    const found = await store.read(() => collect(userId, cursors, inboxRev, config.pageSize));
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
  const inboxRev = yield* inboxRevOf(userId);
  // As with cursors: a number that was never given out starts over.
  const since = asked > inboxRev ? 0 : asked;
  const heads = new Map(yield* headsOf(userId));
  const news = yield* inboxNews(userId, since);
  const lost = new Set(since === 0 ? [] : news.left);
  for (const id of Object.keys(cursors)) if (!heads.has(id)) lost.add(id);

  const followed = new Set(Object.keys(cursors));
  const joined = since === 0 ? new Set(heads.keys()) : new Set(news.joined);
  const gainedIds = [...heads.keys()].filter((id) => joined.has(id) && !followed.has(id)).slice(0, pageSize);
  const gained = yield* viewConversations(userId, gainedIds);

  const behind = yield* conversationsBehind(userId, cursors);
  // Whoever starts over gets all they follow as it is: their marks and flags may be of any age.
  const own = since === 0 ? [...heads.keys()] : [...news.flagged, ...news.joined];
  const flagged = own.filter((id) => followed.has(id));
  const conversations = yield* changesOf(userId, behind, flagged, heads);
  const reads = [];
  for (const { conversationId, lastReadSeq } of since === 0 ? [] : news.reads) {
    reads.push({ conversationId, lastReadSeq, unreadCount: yield* unreadCountOf(conversationId, userId) });
  }
  for (const id of [...followed, ...gainedIds]) heads.delete(id);
  return { inboxRev, conversations, gained, heads: Object.fromEntries(heads), lost: [...lost], reads };
}

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
  const ids = [...new Set([...behind.map(({ conversationId }) => conversationId), ...flagged])];
  return (yield* viewConversations(userId, ids)).map((conversation) => {
    const { id } = conversation;
    const head = heads.get(id) ?? { seq: 0, rev: 0 };
    const inOrder = (changes.get(id) ?? []).toSorted((a: Message, b: Message) => (a.rev ?? 0) - (b.rev ?? 0));
    return {
      conversationId: id,
      changes: inOrder,
      conversation,
      head,
      hasMore: cursors.has(id) && (cut.has(id) || inOrder.length === LIMITS.syncChanges),
      tooLong: tooLong.has(id),
    };
  });
}
