import type { ConversationChanges, Head, SyncResult } from '../../protocol/conversations.ts';
import type { Message } from '../../protocol/messages.ts';

/**
 * As much as the rows and conversations of one answer may have, in bytes of JSON. A frame is all or nothing: on a slow
 * line nothing is heard while it is on its way, and a silent line is taken for a dead one. 128 KiB take a second and a
 * half at 100 KB/s.
 */
export const ANSWER_BYTES = 131_072;
/** No more conversations than these fit, however small they are: more needn't be looked at. */
export const ANSWER_CONVERSATIONS = 500;

/**
 * Cuts an answer to what has room in it. Conversations that have none stand in `heads` alone, and are asked for again.
 * The first one always comes, with one row of it at least, so that whoever asks on gets on.
 */
export function withinBudget(found: SyncResult, bytes = ANSWER_BYTES): SyncResult {
  const heads = { ...found.heads };
  let left = bytes;
  const takes = (value: unknown): boolean => (left -= bytesOf(value)) >= 0;
  const refuse = (id: string, head: Head | undefined): false => {
    if (head !== undefined) heads[id] = head;
    return false;
  };
  const conversations = found.conversations
    .map((each, at) => (at === 0 ? trimmed(each, bytes) : each))
    .filter((each, at) => takes(each) || at === 0 || refuse(each.conversationId, each.head));
  const gained = found.gained.filter((each) => takes(each) || refuse(each.id, each.head));
  return { ...found, conversations, gained, heads };
}

/** As many rows as have room, one at least. */
export function rowsWithinBudget(rows: readonly Message[], bytes = ANSWER_BYTES): Message[] {
  let left = bytes;
  // And a comma each.
  const end = rows.findIndex((row, at) => (left -= bytesOf(row) + 1) < 0 && at > 0);
  return rows.slice(0, end === -1 ? rows.length : end);
}

function trimmed(each: ConversationChanges, bytes: number): ConversationChanges {
  const changes = rowsWithinBudget(each.changes, bytes - bytesOf({ ...each, changes: [] }));
  return { ...each, changes, hasMore: each.hasMore || changes.length < each.changes.length };
}

export function bytesOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}
