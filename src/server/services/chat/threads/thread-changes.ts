import type { Message } from '../../../../protocol/messages.ts';
import { takeRev } from '../../../store/queries/counters.ts';
import { mapMessage } from '../../../store/queries/message-mapper.ts';
import { findMessage } from '../../../store/queries/messages.ts';
import type { MessageRow } from '../../../store/queries/rows.ts';
import { replaceMentions } from '../../../store/queries/threads/mentions.ts';
import { follow, removeReply, storeThread, threadOf } from '../../../store/queries/threads/threads.ts';
import type { Work } from '../../../store/engine/work.ts';

/** Replaces the mentions of a message. The users follow its thread, if it has one. @returns the changed row */
export function* changeMentions(row: MessageRow, userIds: readonly string[]): Work<MessageRow> {
  const { conversation_id: conversationId, seq } = row;
  const root = row.thread_id === null ? row : yield* findMessage(row.thread_id);
  const changed = yield* replaceMentions(row, row.side === 1 ? (root?.id ?? 0) : 0, userIds);
  if (root === undefined || userIds.length === 0) return changed;
  const { total, lastSeq } = yield* threadOf(root);
  // The replies to a root are older than the mention, so they count as read.
  const readSeq = row.thread_id === null ? lastSeq : seq - 1;
  if (total > 0) yield* follow({ conversationId, rootId: root.id }, userIds, readSeq);
  return changed;
}

/** Updates the thread of a reply that has become a tombstone. @returns its root; `undefined` for other messages */
export function* replyDeleted(reply: MessageRow): Work<Message | undefined> {
  const root = reply.thread_id === null ? undefined : yield* findMessage(reply.thread_id);
  if (root === undefined) return undefined;
  const thread = yield* removeReply(yield* threadOf(root));
  return yield* mapMessage(yield* storeThread(thread, yield* takeRev(root.conversation_id)));
}

/** Returns whether two lists of ids are equal. */
export function isSameList(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((id, at) => id === other[at]);
}
