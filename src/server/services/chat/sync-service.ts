import type { Changes, Conversation, Sync, SyncResult } from '../../../protocol/conversations.ts';
import { LIMITS } from '../../../protocol/limits.ts';
import type { ListChangesQuery } from '../../../protocol/rest.ts';
import { changedRows } from '../../store/queries/changes.ts';
import { loadConversation } from '../../store/queries/conversations.ts';
import { mapMessages } from '../../store/queries/message-mapper.ts';
import type { Work } from '../../store/engine/work.ts';
import { listedIds, withPresence } from './conversation-presence.ts';
import type { ServiceDeps } from '../service-deps.ts';
import type { Caller } from '../ports.ts';
import { notFound } from '../errors.ts';
import { collectChanges, collectHeads, collectRemaining, isTooFarBehind, type AnswerSize } from './sync-answer.ts';
import { readInbox } from './read-inbox.ts';
import { trimRows } from './sync-budget.ts';

/**
 * Returns the changes that a client has missed. Message changes are returned as current rows. Changes of members and
 * name advance `rev` without a row; the returned `conversation` contains them.
 */
export class SyncService {
  readonly #deps: ServiceDeps;

  constructor(deps: ServiceDeps) {
    this.#deps = deps;
  }

  /**
   * Returns the changes of one conversation after a revision.
   *
   * @throws CommError `NOT_FOUND`
   */
  async changes({ userId }: Caller, conversationId: string, { after, limit }: ListChangesQuery): Promise<Changes> {
    const { store, config, profiles } = this.#deps;
    const rows = Math.min(limit ?? config.pageSize, LIMITS.maxPageSize);
    const read = (): Work<Changes> => this.#changesAfter(userId, conversationId, after, rows);
    let found = await store.read(read);
    if (await profiles.resolve(listedIds([found.conversation]))) found = await store.read(read);
    const [conversation = found.conversation] = await withPresence(this.#deps, userId, [found.conversation]);
    return { ...found, conversation };
  }

  *#changesAfter(userId: string, conversationId: string, after: number, rows: number): Work<Changes> {
    const conversation = yield* loadConversation(userId, conversationId);
    if (conversation === undefined) throw notFound();
    const head = conversation.head ?? { seq: 0, rev: 0 };
    if (yield* isTooFarBehind(conversationId, after, head)) {
      return { changes: [], conversation, head, hasMore: false, tooLong: true };
    }
    // One row more than requested shows whether there are more.
    const changed = yield* changedRows(conversationId, after, rows + 1);
    const changes = trimRows(yield* mapMessages(changed.slice(0, rows)));
    return { changes, conversation, head, hasMore: changed.length > changes.length, tooLong: false };
  }

  /**
   * Returns the changes since the caller's cursors, as far as they fit in one reply. Read from one snapshot of the
   * database.
   */
  async sync({ userId }: Caller, request: Sync): Promise<SyncResult> {
    const { store, config, limits, profiles } = this.#deps;
    const { cursors, inboxRev, rest = false, after } = request;
    const size: AnswerSize = { gained: config.pageSize, bytes: limits.socketAnswerBytes };
    const work = (): Work<SyncResult> => {
      if (after !== undefined) return collectHeads(userId, after, inboxRev);
      return rest ? collectRemaining(userId, cursors, size) : collectChanges(userId, request, size);
    };
    const asked = Object.keys(cursors).length;
    const read = (): Promise<SyncResult> => readInbox(store, userId, work, { asked });
    let found = await read();
    if (await profiles.resolve(listedIds(conversationsOf(found)))) found = await read();
    const all = await withPresence(this.#deps, userId, conversationsOf(found));
    const present = new Map(all.map((each) => [each.id, each]));
    const fill = (each: Conversation): Conversation => present.get(each.id) ?? each;
    return {
      ...found,
      gained: found.gained.map(fill),
      // `null` removes a call that ended while the client was disconnected. Its end changed the conversation.
      conversations: found.conversations.map((each) => ({
        ...each,
        conversation: { activeCall: null, ...fill(each.conversation) },
      })),
    };
  }
}

function conversationsOf({ gained, conversations }: SyncResult): Conversation[] {
  return [...gained, ...conversations.map(({ conversation }) => conversation)];
}
