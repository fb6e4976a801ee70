import type { Head } from '../../protocol/conversations.ts';
import type { Delivered, ReadMark } from '../../protocol/marks.ts';
import type { MessageRef } from '../../protocol/messages.ts';
import {
  keepReceipt,
  moveDelivered,
  moveRead,
  readSeqOf,
  slowestBut,
  slowestDelivered,
  slowestRead,
  unreadCountOf,
} from '../store/marks.ts';
import { statusChanges, type StatusChange } from '../store/status-changes.ts';
import { membershipOf } from '../store/members.ts';
import { wireId } from '../store/rows.ts';
import type { Work } from '../store/work.ts';
import { isoNow, type ServiceDeps } from './deps.ts';
import { messageFor } from './message-access.ts';
import type { Caller } from './ports.ts';
import { notFound } from './refusals.ts';
import { pushStatuses } from './statuses.ts';

interface ReadOutcome {
  readonly messageId: string;
  readonly mark: ReadMark;
  readonly head: Head;
  readonly readAt: string;
  readonly read: readonly StatusChange[];
  readonly delivered: readonly StatusChange[];
}

/** How far each person is in a conversation. Marks only move forward; statuses and unread counts follow from them. */
export class ReadingService {
  readonly #deps: ServiceDeps;

  constructor(deps: ServiceDeps) {
    this.#deps = deps;
  }

  /** Reading a message reads everything before it. A mark that is further on already stays, and nobody is told. */
  async read(caller: Caller, { conversationId, messageId }: MessageRef): Promise<ReadMark> {
    const { hub, store, clock } = this.#deps;
    const { userId } = caller;
    const work = function* (): Work<{ mark: ReadMark; moved: ReadOutcome | undefined }> {
      const row = yield* messageFor(userId, { conversationId, messageId });
      const readAt = isoNow(clock);
      const [readBefore, deliveredBefore] = [
        yield* slowestRead(conversationId),
        yield* slowestDelivered(conversationId),
      ];
      const moved = yield* moveRead(conversationId, userId, row.seq, readAt);
      if (row.sender_id !== userId) yield* keepReceipt(row.id, userId, readAt);
      const lastReadSeq = moved ? row.seq : yield* readSeqOf(conversationId, userId);
      const mark = { conversationId, lastReadSeq, unreadCount: yield* unreadCountOf(conversationId, userId) };
      if (!moved) return { mark, moved: undefined };
      const readAfter = yield* slowestRead(conversationId);
      const read = yield* statusChanges(conversationId, readBefore, readAfter);
      const delivered = (yield* statusChanges(
        conversationId,
        deliveredBefore,
        yield* slowestDelivered(conversationId),
      )).filter(({ senderId, seq }) => seq > slowestBut(senderId, readAfter));
      const { seq = 0, rev = 0 } = (yield* membershipOf(conversationId, userId)) ?? {};
      return { mark, moved: { messageId: wireId(row), mark, head: { seq, rev }, readAt, read, delivered } };
    };
    const { mark } = await store.write(work, ({ moved }) => {
      if (moved === undefined) return;
      const { unreadCount, lastReadSeq: seq } = moved.mark;
      const receipt = { conversationId, messageId: moved.messageId, readBy: { userId, readAt: moved.readAt }, seq };
      hub.toConversation(conversationId, { event: 'read-receipt:update', data: receipt });
      pushStatuses(hub, conversationId, 'delivered', moved.delivered);
      pushStatuses(hub, conversationId, 'read', moved.read);
      // To the device that asked as well: its answer may come behind messages that are counted anew. The head says which
      // messages are counted here.
      const data = { id: conversationId, unreadCount, head: moved.head };
      hub.toUser(userId, { event: 'conversation:updated', data });
    });
    return mark;
  }

  /** One of the caller's devices has everything up to `seq`. */
  async delivered({ userId }: Caller, { conversationId, seq }: Delivered): Promise<null> {
    const { hub, store } = this.#deps;
    const work = function* (): Work<readonly StatusChange[]> {
      const member = yield* membershipOf(conversationId, userId);
      if (member === undefined) throw notFound();
      const before = yield* slowestDelivered(conversationId);
      // Nobody has received what isn't there yet.
      const moved = yield* moveDelivered(conversationId, [userId], Math.min(seq, member.seq));
      return moved ? yield* statusChanges(conversationId, before, yield* slowestDelivered(conversationId)) : [];
    };
    await store.write(work, (changes) => pushStatuses(hub, conversationId, 'delivered', changes));
    return null;
  }
}
