import type { MessageRef } from '../../protocol/messages.ts';
import { membershipOf } from '../store/members.ts';
import { findMessage } from '../store/messages.ts';
import type { MessageRow } from '../store/rows.ts';
import type { Work } from '../store/work.ts';
import { forbidden, notFound } from './refusals.ts';

/** A message of a conversation that the user is in. */
export function* messageFor(userId: string, { conversationId, messageId }: MessageRef): Work<MessageRow> {
  const member = yield* membershipOf(conversationId, userId);
  const row = member && (yield* findMessage(messageId));
  if (row?.conversation_id !== conversationId) throw notFound();
  return row;
}

/** The user's own message. */
export function* ownMessage(userId: string, ref: MessageRef): Work<MessageRow> {
  const row = yield* messageFor(userId, ref);
  if (row.sender_id !== userId) throw forbidden('This message is somebody else’s');
  return row;
}

export function isServerWritten({ type }: MessageRow): boolean {
  return type === 'call' || type === 'system';
}
