import type { Conversation } from '../../../src/protocol/conversations.ts';
import type { Message } from '../../../src/protocol/messages.ts';

/** When message `seq` was written, unless a test says otherwise. */
export function timeOf(seq: number): string {
  return new Date(1_700_000_000_000 + seq * 1_000).toISOString();
}

/** A message of `bob` in `conversation`, its position and id taken from `seq`. */
export function message(seq: number, values: Partial<Message> = {}): Message {
  return {
    id: String(seq),
    conversationId: 'conversation',
    senderId: 'bob',
    content: `message ${seq}`,
    type: 'text',
    createdAt: timeOf(seq),
    status: 'sent',
    readBy: [],
    seq,
    rev: seq,
    ...values,
  };
}

/** The same from a base server, which counts nothing. */
export function baseMessage(id: number | string, values: Partial<Message> = {}): Message {
  const { seq: _seq, rev: _rev, ...rest } = message(typeof id === 'number' ? id : 0);
  return { ...rest, id: String(id), ...values };
}

/** What waits in the outbox as the timeline shows it. */
export function pending(clientId: string, values: Partial<Message> = {}): Message {
  const { seq: _seq, rev: _rev, ...rest } = message(0);
  return { ...rest, id: clientId, clientId, senderId: 'alice', status: 'sending', ...values };
}

export function messages(from: number, to: number): Message[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => message(from + index));
}

export function conversation(values: Partial<Conversation> = {}): Conversation {
  return {
    id: 'conversation',
    type: 'group',
    participants: [],
    createdAt: timeOf(0),
    updatedAt: timeOf(0),
    unreadCount: 0,
    ...values,
  };
}

/** Makes every write to what a reducer is given throw. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const each of Object.values(value)) deepFreeze(each);
  return value;
}
