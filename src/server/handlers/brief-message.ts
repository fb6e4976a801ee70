import type { BriefMessage } from '../../protocol/events.ts';
import type { Message, SendMessage } from '../../protocol/messages.ts';

/** The fields of a message that its sender knows or that a {@link BriefMessage} has. */
const KNOWN = new Set(['id', 'senderId', 'createdAt', 'status', 'readBy', 'seq', 'rev']);
/** The fields that are compared. A message with any other field is sent as it is. */
const COMPARED = new Set(['conversationId', 'content', 'type', 'clientId', 'replyTo']);

/**
 * Returns the {@link BriefMessage} if its sender can restore the message from it and the request, else the message: a hook may
 * have changed it, and a message that was stored before may have been edited, read or deleted since.
 */
export function briefly(message: Message, request: SendMessage): Message | BriefMessage {
  const { id, createdAt, seq, rev, status, readBy } = message;
  if (status !== 'sent' || readBy.length > 0) return message;
  for (const field of Object.keys(message)) {
    if (!KNOWN.has(field) && !isEqual(message, request, field)) return message;
  }
  for (const field of Object.keys(request)) {
    if (field !== 'afterClientId' && !isEqual(message, request, field)) return message;
  }
  return { id, createdAt, seq, rev };
}

function isEqual(message: Message, request: SendMessage, field: string): boolean {
  return COMPARED.has(field) && Reflect.get(message, field) === Reflect.get(request, field);
}
