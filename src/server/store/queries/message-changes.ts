import type { MessageRow } from './rows.ts';
import { query, statement, type Params } from '../engine/statement.ts';
import { all, run, type Work } from '../engine/work.ts';

const updateContent = statement(
  (
    p: Params<{
      id: number;
      content: string;
      link_preview: string | null;
      metadata: string | null;
      now: string;
      rev: number;
    }>,
  ) =>
    query
      .updateTable('messages')
      .set({ content: p.content, link_preview: p.link_preview, metadata: p.metadata, updated_at: p.now, rev: p.rev })
      .where('id', '=', p.id),
);
const updateDeleted = statement(
  (p: Params<{ id: number; content: string; deletedBy: string; now: string; rev: number }>) =>
    query
      .updateTable('messages')
      .set({
        content: p.content,
        type: 'system',
        attachment: null,
        link_preview: null,
        reaction_envelopes: null,
        metadata: null,
        mentions: null,
        pinned_by: null,
        pinned_at: null,
        pinned_rev: null,
        updated_at: p.now,
        deleted_at: p.now,
        deleted_by: p.deletedBy,
        rev: p.rev,
      })
      .where('id', '=', p.id),
);
const touch = statement((p: Params<{ id: number; rev: number }>) =>
  query.updateTable('messages').set({ rev: p.rev }).where('id', '=', p.id),
);
const clearReactions = statement((p: Params<{ id: number }>) =>
  query.deleteFrom('message_reactions').where('message_id', '=', p.id),
);

/** What an edit replaces. */
export type EditedColumns = Pick<MessageRow, 'content' | 'metadata'>;

/** Replaces the content of a message. The link preview of another content is deleted. */
export function* editMessage(
  row: MessageRow,
  { content, metadata }: EditedColumns,
  now: string,
  rev: number,
): Work<MessageRow> {
  const edited = { content, metadata, link_preview: content === row.content ? row.link_preview : null };
  yield* run(updateContent({ ...edited, id: row.id, now, rev }));
  return { ...row, ...edited, updated_at: now, rev };
}

/**
 * Replaces a message with a tombstone: its position is kept; content, attachment, metadata, pin and reactions are deleted.
 *
 * @param content - JSON of the encrypted deletion; empty for a message that isn't encrypted
 */
export function* deleteMessage(
  row: MessageRow,
  { content, deletedBy }: { content: string; deletedBy: string },
  now: string,
  rev: number,
): Work<MessageRow> {
  yield* run(updateDeleted({ id: row.id, content, deletedBy, now, rev }));
  yield* run(clearReactions({ id: row.id }));
  return {
    ...row,
    content,
    type: 'system',
    attachment: null,
    link_preview: null,
    reaction_envelopes: null,
    metadata: null,
    pinned_by: null,
    pinned_at: null,
    mentions: null,
    updated_at: now,
    deleted_at: now,
    deleted_by: deletedBy,
    rev,
  };
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

const updateEnvelopes = statement((p: Params<{ id: number; envelopes: string; rev: number }>) =>
  query.updateTable('messages').set({ reaction_envelopes: p.envelopes, rev: p.rev }).where('id', '=', p.id),
);

/** Returns the reactions of one user. */
export function* reactionsOf(row: MessageRow, userId: string): Work<string[]> {
  return (yield* all(selectOwnEmoji({ messageId: row.id, userId }))).map(({ emoji }) => emoji);
}

/** Adds a reaction that is missing, or removes one. */
export function* setReaction(
  row: MessageRow,
  { userId, emoji, on }: { userId: string; emoji: string; on: boolean },
  now: string,
): Work<void> {
  const key = { messageId: row.id, userId, emoji };
  yield* run(on ? insertReaction({ ...key, now }) : deleteReaction(key));
}

/**
 * Advances a message's revision after its reactions have changed.
 *
 * @param envelopes - JSON of all encrypted reactions to the message; `undefined` if they stay
 */
export function* reactionsChanged(row: MessageRow, rev: number, envelopes?: string): Work<MessageRow> {
  if (envelopes === undefined) {
    yield* run(touch({ id: row.id, rev }));
    return { ...row, rev };
  }
  yield* run(updateEnvelopes({ id: row.id, envelopes, rev }));
  return { ...row, reaction_envelopes: envelopes, rev };
}
