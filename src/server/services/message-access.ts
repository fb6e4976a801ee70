import type { MessageRef } from '../../protocol/messages.ts';
import { membershipOf } from '../store/members.ts';
import { findMessage } from '../store/messages.ts';
import type { MessageRow } from '../store/rows.ts';
import type { Work } from '../store/work.ts';
import { forbidden, notFound } from './refusals.ts';

/** A message of a conversation that the user is in, by its id or, for one of their own, by its client id. */
export function* messageFor(userId: string, { conversationId, messageId }: MessageRef): Work<MessageRow> {
  const member = yield* membershipOf(conversationId, userId);
  const row = member && (yield* findMessage(messageId, userId));
  if (row?.conversation_id !== conversationId) throw notFound();
  return row;
}

/** @throws CommError `FORBIDDEN` unless it is the user's own message */
export function checkOwn(userId: string, { sender_id: senderId }: MessageRow): void {
  if (senderId !== userId) throw forbidden('This message is somebody else’s');
}

export function isServerWritten({ type }: MessageRow): boolean {
  return type === 'call' || type === 'system';
}
