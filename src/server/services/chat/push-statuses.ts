import type { StatusChange } from '../../store/queries/status-changes.ts';
import type { Broadcaster } from '../ports.ts';
import type { MessageStatus } from '../../../protocol/constants.ts';

/** Pushes the new status of messages to their senders. */
export function pushStatuses(
  broadcaster: Broadcaster,
  conversationId: string,
  status: Extract<MessageStatus, 'delivered' | 'read'>,
  changes: readonly StatusChange[],
): void {
  for (const { senderId, messageId, seq } of changes) {
    broadcaster.toUser(senderId, { event: 'message:status', data: { messageId, status, conversationId, seq } });
  }
}
