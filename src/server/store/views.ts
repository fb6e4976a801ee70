import { sql } from 'kysely';
import type { Message, Reaction, ReadReceipt } from '../../protocol/messages.ts';
import { participantRows } from './members.ts';
import { isoTime, messageFrom, type MessageRow, type ParticipantRow } from './rows.ts';
import { listed, query, statement, type Params } from './statement.ts';
import { all, type Work } from './work.ts';
import type { MessageStatus } from '../../protocol/vocabulary.ts';

/** Readers of one message that are named; a group's other readers are found in the participants' marks. */
const MAX_READERS = 50;

type People = ReadonlyMap<string, readonly ParticipantRow[]>;

const selectReactions = statement((p: Params<{ ids: string }>) =>
  query
    .selectFrom('message_reactions')
    .select(['message_id', 'user_id', 'emoji'])
    .where('message_id', 'in', listed<number>(p.ids))
    .orderBy(sql`rowid`),
);
const selectReceipts = statement((p: Params<{ ids: string }>) =>
  query
    .selectFrom('read_receipts')
    .select(['message_id', 'user_id', 'read_at'])
    .where('message_id', 'in', listed<number>(p.ids)),
);

/**
 * Messages as they go out, in the order of their rows: one statement for the people's marks (unless they are given),
 * one for reactions, one for receipts, however many messages there are.
 */
export function* viewMessages(rows: readonly MessageRow[], people?: People): Work<Message[]> {
  if (rows.length === 0) return [];
  const ids = JSON.stringify(rows.map((row) => row.id));
  const conversationIds = [...new Set(rows.map((row) => row.conversation_id))];
  const known = people ?? (yield* participantRows(conversationIds));
  const reactions = yield* reactionsTo(ids);
  const readAt = new Map<string, string>();
  for (const receipt of yield* all(selectReceipts({ ids }))) {
    readAt.set(`${receipt.message_id} ${receipt.user_id}`, isoTime(receipt.read_at));
  }
  return rows.map((row) => {
    const others = (known.get(row.conversation_id) ?? []).filter((each) => each.user_id !== row.sender_id);
    return messageFrom(row, {
      status: statusOf(row, others),
      readBy: readersOf(row, others, readAt),
      reactions: reactions.get(row.id) ?? [],
    });
  });
}

export function* viewMessage(row: MessageRow): Work<Message> {
  const [message] = yield* viewMessages([row]);
  if (message === undefined) throw new Error('A row has no view');
  return message;
}

/** A message nobody had a chance to receive or to react to. */
export function viewNewMessage(row: MessageRow): Message {
  return messageFrom(row, { status: 'sent', readBy: [], reactions: [] });
}

/** How far the slowest of the others is. */
function statusOf(row: MessageRow, others: readonly ParticipantRow[]): MessageStatus {
  if (others.length === 0) return 'sent';
  if (others.every((each) => each.last_read_seq >= row.seq)) return 'read';
  return others.every((each) => each.last_delivered_seq >= row.seq) ? 'delivered' : 'sent';
}

/** The time is that of the receipt where this very message was named, else of the mark that passed it. */
function readersOf(
  row: MessageRow,
  others: readonly ParticipantRow[],
  readAt: ReadonlyMap<string, string>,
): ReadReceipt[] {
  const readers: ReadReceipt[] = [];
  for (const { user_id: userId, last_read_seq: readSeq, last_read_at: lastReadAt } of others) {
    if (readSeq < row.seq || lastReadAt === null) continue;
    readers.push({ userId, readAt: readAt.get(`${row.id} ${userId}`) ?? isoTime(lastReadAt) });
    if (readers.length === MAX_READERS) break;
  }
  return readers;
}

function* reactionsTo(ids: string): Work<ReadonlyMap<number, Reaction[]>> {
  const byMessage = new Map<number, Reaction[]>();
  for (const { message_id: id, user_id: userId, emoji } of yield* all(selectReactions({ ids }))) {
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
