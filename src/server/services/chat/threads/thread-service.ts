import type { ConversationUpdate, Head } from '../../../../protocol/conversations.ts';
import type { ReadMarker } from '../../../../protocol/receipts.ts';
import type { MarkUnread, ReadThread } from '../../../../protocol/threads.ts';
import { takeInboxRev } from '../../../store/queries/counters.ts';
import { markersOf, setOwnPositions, unreadStatesOf } from '../../../store/queries/receipts.ts';
import { findMessage } from '../../../store/queries/messages.ts';
import { wireId } from '../../../store/queries/rows.ts';
import { readThread } from '../../../store/queries/threads/threads.ts';
import { touchReadMarker } from '../../../store/queries/threads/read-revisions.ts';
import type { Work } from '../../../store/engine/work.ts';
import type { ServiceDeps } from '../../service-deps.ts';
import type { Caller } from '../../ports.ts';
import { invalid, notFound } from '../../errors.ts';
import { messageFor } from '../message-access.ts';

/** The caller's new state. `changed` is false if the caller's devices know it; then nothing is pushed. */
interface Outcome {
  readonly mark: ReadMarker;
  readonly head: Head;
  readonly changed: boolean;
}

/** Maintains what each user has read in threads, and messages that users mark as unread. No other user sees either. */
export class ThreadService {
  readonly #deps: Pick<ServiceDeps, 'store' | 'broadcaster'>;

  constructor(deps: Pick<ServiceDeps, 'store' | 'broadcaster'>) {
    this.#deps = deps;
  }

  /**
   * Marks the replies of a thread up to a message as read, and its mentions of the caller. Changes nothing in a thread that the
   * caller doesn't follow; then the caller's devices are sent what is unread. Idempotent.
   *
   * @throws CommError `NOT_FOUND`
   */
  async read({ userId }: Caller, { conversationId, threadId, messageId }: ReadThread): Promise<null> {
    const work = function* (): Work<Outcome> {
      const named = yield* messageFor(userId, { conversationId, messageId: threadId });
      const root = named.thread_id === null ? named : yield* findMessage(named.thread_id);
      const { seq } = yield* messageFor(userId, { conversationId, messageId });
      const changed = root !== undefined && (yield* readThread({ conversationId, rootId: root.id }, userId, seq));
      if (changed) yield* touchReadMarker(conversationId, userId, yield* takeInboxRev(userId));
      const state = yield* stateOf(conversationId, userId);
      // Devices of a user whom an encrypted reply mentions count it, and only the state that is stored here clears it.
      const isFollower =
        state.mark.followedThreads?.some(({ id }) => root !== undefined && id === wireId(root)) === true;
      return { ...state, changed: changed || !isFollower };
    };
    await this.#write(userId, work);
    return null;
  }

  /**
   * Moves the caller's read position back before a message. What other users see as read stays. No effect if the message is
   * unread. Idempotent.
   *
   * @throws CommError `NOT_FOUND`, `INVALID` for a reply that isn't in the main timeline
   */
  async markUnread({ userId }: Caller, { conversationId, messageId }: MarkUnread): Promise<ReadMarker> {
    const work = function* (): Work<Outcome> {
      const { seq, side } = yield* messageFor(userId, { conversationId, messageId });
      if (side === 1) throw invalid('messageId must be a message of the main timeline');
      const position = (yield* markersOf(conversationId, [userId])).get(userId)?.read_seq ?? 0;
      const changed = position >= seq;
      if (changed) yield* setOwnPositions(conversationId, new Map([[userId, seq - 1]]));
      return { ...(yield* stateOf(conversationId, userId)), changed };
    };
    return (await this.#write(userId, work)).mark;
  }

  /** Runs the work and pushes the new state to all devices of the user. */
  async #write(userId: string, work: () => Work<Outcome>): Promise<Outcome> {
    const { store, broadcaster } = this.#deps;
    return await store.write(work, ({ mark, head, changed }) => {
      if (changed) broadcaster.toUser(userId, { event: 'conversation:updated', data: toUnreadUpdate(mark, head) });
    });
  }
}

/**
 * Returns the update that tells the devices of a user what is unread. Pushed to the requesting device too, because its reply
 * may arrive after newer messages. The head states which messages the counts include.
 */
export function toUnreadUpdate(mark: ReadMarker, head: Head): ConversationUpdate {
  const { conversationId: id, lastReadSeq: _seq, readAt: _at, ...unread } = mark;
  return { id, followedThreads: [], ...unread, firstUnreadId: unread.firstUnreadId ?? null, head };
}

function* stateOf(conversationId: string, userId: string): Work<Pick<Outcome, 'mark' | 'head'>> {
  const member = (yield* markersOf(conversationId, [userId])).get(userId);
  const unread = (yield* unreadStatesOf(conversationId, [userId])).get(userId);
  if (member === undefined || unread === undefined) throw notFound();
  const { seq, rev, last_read_seq: lastReadSeq } = member;
  return { mark: { conversationId, lastReadSeq, ...unread }, head: { seq, rev } };
}
