import type { Message } from '../../../protocol/messages.ts';
import type { Broadcaster } from '../ports.ts';

/** Pushes the current state of a message to its conversation. @param editedBy - who changed it */
export function pushUpdated(
  broadcaster: Broadcaster,
  message: Message | undefined,
  editedBy: string = message?.senderId ?? '',
): void {
  if (message === undefined) return;
  const data = { ...message, messageId: message.id, editedBy };
  broadcaster.toConversation(message.conversationId, { event: 'message:updated', data });
}
