import type { MessageRow } from './rows.ts';
import { query, statement, type Params } from './statement.ts';
import { all, run, type Work } from './work.ts';

const updateContent = statement((p: Params<{ id: number; content: string; now: string; rev: number }>) =>
  query.updateTable('messages').set({ content: p.content, updated_at: p.now, rev: p.rev }).where('id', '=', p.id),
);
const bury = statement((p: Params<{ id: number; now: string; rev: number }>) =>
  query
    .updateTable('messages')
    .set({ content: '', type: 'system', attachment: null, updated_at: p.now, deleted_at: p.now, rev: p.rev })
    .where('id', '=', p.id),
);
const touch = statement((p: Params<{ id: number; rev: number }>) =>
  query.updateTable('messages').set({ rev: p.rev }).where('id', '=', p.id),
);
const clearReactions = statement((p: Params<{ id: number }>) =>
  query.deleteFrom('message_reactions').where('message_id', '=', p.id),
);

export function* editMessage(row: MessageRow, content: string, now: string, rev: number): Work<MessageRow> {
  yield* run(updateContent({ id: row.id, content, now, rev }));
  return { ...row, content, updated_at: now, rev };
}

/** Leaves a tombstone: the place stays, what was said goes, with its attachment and reactions. */
export function* deleteMessage(row: MessageRow, now: string, rev: number): Work<MessageRow> {
  yield* run(bury({ id: row.id, now, rev }));
  yield* run(clearReactions({ id: row.id }));
  return { ...row, content: '', type: 'system', attachment: null, updated_at: now, deleted_at: now, rev };
}

// Reactions

interface ReactionKey {
  messageId: number;
  userId: string;
  emoji: string;
}
const selectOwnEmoji = statement((p: Params<{ messageId: number; userId: string }>) =>
  query
    .selectFrom('message_reactions')
    .select('emoji')
    .where('message_id', '=', p.messageId)
    .where('user_id', '=', p.userId),
);
const insertReaction = statement((p: Params<ReactionKey & { now: string }>) =>
  query
    .insertInto('message_reactions')
    .values({ message_id: p.messageId, user_id: p.userId, emoji: p.emoji, created_at: p.now }),
);
const deleteReaction = statement((p: Params<ReactionKey>) =>
  query
    .deleteFrom('message_reactions')
    .where('message_id', '=', p.messageId)
    .where('user_id', '=', p.userId)
    .where('emoji', '=', p.emoji),
);

/** What one user reacted with. */
export function* reactionsOf(row: MessageRow, userId: string): Work<string[]> {
  return (yield* all(selectOwnEmoji({ messageId: row.id, userId }))).map(({ emoji }) => emoji);
}

export function* setReaction(
  row: MessageRow,
  reaction: { userId: string; emoji: string; on: boolean },
  now: string,
  rev: number,
): Work<MessageRow> {
  const key = { messageId: row.id, userId: reaction.userId, emoji: reaction.emoji };
  yield* run(reaction.on ? insertReaction({ ...key, now }) : deleteReaction(key));
  yield* run(touch({ id: row.id, rev }));
  return { ...row, rev };
}
