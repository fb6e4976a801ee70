import type { StatusChange } from '../store/status-changes.ts';
import type { Hub } from './ports.ts';
import type { MessageStatus } from '../../protocol/vocabulary.ts';

/** Tells each sender, and nobody else, how far their messages have come. */
export function pushStatuses(
  hub: Hub,
  conversationId: string,
  status: Extract<MessageStatus, 'delivered' | 'read'>,
  changes: readonly StatusChange[],
): void {
  for (const { senderId, messageId, seq } of changes) {
    hub.toUser(senderId, { event: 'message:status', data: { messageId, status, conversationId, seq } });
  }
}
