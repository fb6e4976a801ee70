import { sql } from 'kysely';
import type { Message, Reaction } from '../../protocol/messages.ts';
import { Marks } from './people-marks.ts';
import { participantRows } from './members.ts';
import { isoTime, messageFrom, type MessageRow, type ParticipantRow } from './rows.ts';
import { listed, query, statement, type Params } from './statement.ts';
import { all, type Work } from './work.ts';

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
  const marks = new Map<string, Marks>();
  return rows.map((row) => {
    const { id, conversation_id: conversationId } = row;
    let held = marks.get(conversationId);
    if (held === undefined) marks.set(conversationId, (held = new Marks(known.get(conversationId) ?? [])));
    return messageFrom(row, {
      status: held.statusOf(row),
      readBy: held.readersOf(row, readAt),
      reactions: reactions.get(id) ?? [],
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
