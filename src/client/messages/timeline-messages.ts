import type { Message } from '../../protocol/messages.ts';
import type { MessageStatus } from '../../protocol/vocabulary.ts';
import type { Mark } from '../changes.ts';

const STATUS_ORDER: Readonly<Record<MessageStatus, number>> = {
  failed: 0,
  sending: 1,
  sent: 2,
  delivered: 3,
  read: 4,
};
const MAX_READERS = 50;

/** The later of two states of one message; what only the marks know is kept. */
export function newer(held: Message, other: Message): Message {
  if (other.rev !== undefined && held.rev !== undefined && other.rev < held.rev) return held;
  const status = STATUS_ORDER[held.status] > STATUS_ORDER[other.status] ? held.status : other.status;
  const readBy = held.readBy.length > other.readBy.length ? held.readBy : other.readBy;
  const merged = { ...other, status, readBy };
  return JSON.stringify(held) === JSON.stringify(merged) ? held : merged;
}

export function tombstone(held: Message, deletedAt: string): Message {
  const { attachment: _attachment, envelope: _envelope, reactions: _reactions, ...rest } = held;
  return { ...rest, content: '', deletedAt };
}

export function marked(held: Message, mark: Mark, ownId: string | undefined): Message {
  return mark.kind === 'read' ? readUpTo(held, mark, ownId) : reached(held, mark, ownId);
}

function readUpTo(held: Message, mark: Extract<Mark, { kind: 'read' }>, ownId: string | undefined): Message {
  const covered = mark.seq === undefined ? held.id === mark.messageId : held.seq !== undefined && held.seq <= mark.seq;
  if (!covered || held.senderId === mark.userId) return held;
  if (held.readBy.length >= MAX_READERS || held.readBy.some(({ userId }) => userId === mark.userId)) return held;
  // A base server tells of the reading, not always of the status that follows from it.
  const status = mark.seq === undefined && held.senderId === ownId ? 'read' : held.status;
  return { ...held, status, readBy: [...held.readBy, { userId: mark.userId, readAt: mark.readAt }] };
}

function reached(held: Message, mark: Extract<Mark, { kind: 'status' }>, ownId: string | undefined): Message {
  const covered =
    held.id === mark.messageId ||
    (mark.seq !== undefined && held.seq !== undefined && held.seq <= mark.seq && held.senderId === ownId);
  return covered && STATUS_ORDER[held.status] < STATUS_ORDER[mark.status] ? { ...held, status: mark.status } : held;
}
