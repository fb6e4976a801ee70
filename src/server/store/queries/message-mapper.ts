import { sql } from 'kysely';
import type { Message, Reaction } from '../../../protocol/messages.ts';
import { ParticipantMarkers, receiptKey, type ReceiptTimes } from './participant-markers.ts';
import { listedMembers, type ListedMembers } from './members.ts';
import { isoTime, messageJson, toMessage, type MessageRow, type MessageTuple } from './rows.ts';
import { arrayStatement, listedIds, type Params } from '../engine/statement.ts';
import { all, type Work } from '../engine/work.ts';

type People = ReadonlyMap<string, ListedMembers>;

const selectReactions = arrayStatement(
  (p: Params<{ ids: string }>) => sql<readonly [messageId: number, userId: string, emoji: string]>`
    select message_id, user_id, emoji from message_reactions
    where message_id in ${listedIds(p.ids)} order by rowid`,
);
const selectReceipts = arrayStatement(
  (p: Params<{ ids: string }>) => sql<readonly [messageId: number, userId: string, readAt: string]>`
    select message_id, user_id, read_at from read_receipts where message_id in ${listedIds(p.ids)}`,
);

/**
 * Maps rows to messages, in the order of the rows. Uses one statement for markers (unless given), one for reactions and
 * one for receipts, independent of the number of messages.
 */
export function* mapMessages(rows: readonly MessageRow[], people?: People): Work<Message[]> {
  if (rows.length === 0) return [];
  const ids = JSON.stringify(rows.map((row) => row.id));
  const conversationIds = [...new Set(rows.map((row) => row.conversation_id))];
  const known = people ?? (yield* listedMembers(conversationIds));
  const reactions = yield* reactionsTo(ids);
  const readAt = yield* receiptsOf(ids);
  const markers = new Map<string, ParticipantMarkers>();
  return rows.map((row) => {
    const { id, conversation_id: conversationId } = row;
    let participantMarkers = markers.get(conversationId);
    if (participantMarkers === undefined)
      markers.set(conversationId, (participantMarkers = new ParticipantMarkers(known.get(conversationId))));
    return toMessage(row, {
      status: participantMarkers.statusOf(row),
      readBy: participantMarkers.readersOf(row, readAt),
      reactions: reactions.get(id) ?? [],
    });
  });
}

/**
 * Writes the JSON of the messages that {@link mapMessages} returns, in the order of the rows.
 */
export function* writeMessages(
  rows: readonly MessageTuple[],
  markersOf: (conversationId: string) => ParticipantMarkers,
): Work<string[]> {
  if (rows.length === 0) return [];
  const ids = JSON.stringify(rows.map(([id]) => id));
  const reactions = yield* reactionsTo(ids);
  const readAt = yield* receiptsOf(ids);
  return rows.map((row) => {
    const message = { id: row[0], sender_id: row[2], seq: row[10] };
    const reacted = reactions.get(message.id);
    const markers = markersOf(row[1]);
    return messageJson(row, {
      status: markers.statusOf(message),
      readBy: markers.readersJson(message, readAt),
      reactions: reacted === undefined ? '' : JSON.stringify(reacted),
    });
  });
}

/** Maps one row. See {@link mapMessages}. */
export function* mapMessage(row: MessageRow): Work<Message> {
  const [message] = yield* mapMessages([row]);
  if (message === undefined) throw new Error('No message for a row');
  return message;
}

/** Maps a message that was just inserted, which has no receipts and no reactions. */
export function mapNewMessage(row: MessageRow): Message {
  return toMessage(row, { status: 'sent', readBy: [], reactions: [] });
}

function* reactionsTo(ids: string): Work<ReadonlyMap<number, Reaction[]>> {
  const byMessage = new Map<number, Reaction[]>();
  for (const [id, userId, emoji] of yield* all(selectReactions({ ids }))) {
    const known = byMessage.get(id) ?? [];
    byMessage.set(id, known);
    const same = known.find((each) => each.emoji === emoji);
    if (same === undefined) known.push({ emoji, count: 1, users: [userId] });
    else {
      same.users.push(userId);
      same.count = same.users.length;
    }
  }
  return byMessage;
}

function* receiptsOf(ids: string): Work<ReceiptTimes> {
  const times = new Map<string, string>();
  for (const [id, userId, readAt] of yield* all(selectReceipts({ ids }))) {
    times.set(receiptKey(id, userId), isoTime(readAt));
  }
  return times;
}
