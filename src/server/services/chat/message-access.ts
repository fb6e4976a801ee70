import type { MessageRef } from '../../../protocol/messages.ts';
import { membershipOf } from '../../store/queries/members.ts';
import { findMessage } from '../../store/queries/messages.ts';
import type { MessageRow } from '../../store/queries/rows.ts';
import type { Work } from '../../store/engine/work.ts';
import { forbidden, notFound } from '../errors.ts';

/**
 * Returns a message of a conversation in which the user is a member, by its id or by the client id that the user chose.
 *
 * @throws CommError `NOT_FOUND`
 */
export function* messageFor(userId: string, { conversationId, messageId }: MessageRef): Work<MessageRow> {
  const member = yield* membershipOf(conversationId, userId);
  const row = member && (yield* findMessage(messageId, userId));
  if (row?.conversation_id !== conversationId) throw notFound();
  return row;
}

/** Returns a message of a conversation, for code of the app. @throws CommError `NOT_FOUND` */
export function* messageIn({ conversationId, messageId }: MessageRef): Work<MessageRow> {
  const row = yield* findMessage(messageId);
  if (row?.conversation_id !== conversationId) throw notFound();
  return row;
}

/** Requires that the user is the sender. @throws CommError `FORBIDDEN` */
export function requireOwnMessage(userId: string, { sender_id: senderId }: MessageRow): void {
  if (senderId !== userId) throw forbidden('Only the sender may change this message');
}

/** Returns whether the message was written by the server. */
export function isServerWritten({ type }: MessageRow): boolean {
  return type === 'call' || type === 'system';
}
