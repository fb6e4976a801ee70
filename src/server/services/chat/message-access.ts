import type { MessageRef } from '../../../protocol/messages.ts';
import { membershipOf, type Membership } from '../../store/queries/members.ts';
import { findMessage } from '../../store/queries/messages.ts';
import type { MessageRow } from '../../store/queries/rows.ts';
import type { Work } from '../../store/engine/work.ts';
import { forbidden, invalid, notFound } from '../errors.ts';

/** What a user does with a message. */
export type MessageAction = 'read' | 'edit' | 'delete' | 'react' | 'pin' | 'report' | 'forward';

/**
 * Returns a message that a user wants to read or change, by its id or by the client id that the user chose. Every rule about who may do
 * what with a message of a conversation is checked here.
 *
 * @throws CommError `NOT_FOUND` if the user isn't a member or the message isn't in the conversation, `FORBIDDEN`, `INVALID`
 */
export function* messageFor(
  userId: string,
  { conversationId, messageId }: MessageRef,
  action: MessageAction = 'read',
): Work<MessageRow> {
  const member = yield* membershipOf(conversationId, userId);
  const row = member && (yield* findMessage(messageId, userId));
  if (member === undefined || row?.conversation_id !== conversationId) throw notFound();
  requireRight(userId, row, action, member);
  return row;
}

/** Returns a message of a conversation, for code of the app. @throws CommError `NOT_FOUND` */
export function* messageIn({ conversationId, messageId }: MessageRef): Work<MessageRow> {
  const row = yield* findMessage(messageId);
  if (row?.conversation_id !== conversationId) throw notFound();
  return row;
}

function requireRight(userId: string, row: MessageRow, action: MessageAction, member: Membership): void {
  const isOwn = row.sender_id === userId;
  if (action === 'edit' && !isOwn) throw forbidden('Only the sender may change this message');
  if (action === 'delete' && !isOwn && !isManager(member)) {
    throw forbidden('Only the sender, and in a group its owner and admins, may delete this message');
  }
  if (action === 'report' && isOwn) throw invalid('messageId must not be an own message');
}

function isManager({ type, role }: Membership): boolean {
  return type === 'group' && role !== 'member';
}

/** Returns whether the message was written by the server. */
export function isServerWritten({ type }: MessageRow): boolean {
  return type === 'call' || type === 'system';
}
