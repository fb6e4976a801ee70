import type { Conversation, Message, Participant, PresenceStatus } from 'lumen-comm';
import { callLogOf, logWords } from './call-log.ts';

export const SUGGESTED_PEOPLE = ['alice', 'bob', 'carol', 'dave'] as const;

/** Somebody's id as typed: "  Mary  Jane" is `mary jane`, so that everybody finds her. */
export function personId(typed: string): string {
  return typed.trim().replaceAll(/\s+/g, ' ').toLowerCase();
}

/** The protocol has no directory of people: their ids are their names. */
export function nameOf(userId: string): string {
  return userId.replaceAll(/(^|\s)\p{Ll}/gu, (letter) => letter.toUpperCase());
}

export function otherIn(conversation: Conversation, ownId: string): Participant | undefined {
  if (conversation.type !== 'direct') return undefined;
  return conversation.participants.find(({ userId }) => userId !== ownId);
}

export function titleOf(conversation: Conversation, ownId: string): string {
  const other = otherIn(conversation, ownId);
  if (other !== undefined) return nameOf(other.userId);
  if (conversation.name !== undefined && conversation.name !== '') return conversation.name;
  const others = conversation.participants.filter(({ userId }) => userId !== ownId).map(({ userId }) => nameOf(userId));
  return others.length === 0 ? 'Just you' : others.join(', ');
}

export const PRESENCE_LABELS: Readonly<Record<PresenceStatus, string>> = {
  online: 'Online',
  away: 'Away',
  busy: 'Busy',
  offline: 'Offline',
};

/** Encrypted, and not decrypted here: yet, or for the reason it gives. */
export function isUnreadable({ encrypted, undecrypted, content }: Message): boolean {
  return encrypted === true && (undecrypted !== undefined || content === '');
}

const SUMMARY_LENGTH = 200;

/** A message in one line. */
export function summaryOf(message: Message, ownId?: string): string {
  if (message.deletedAt !== undefined) return 'Message deleted';
  const log = callLogOf(message);
  if (log !== undefined) return logWords(log, message.senderId === ownId);
  if (isUnreadable(message)) return 'Encrypted message';
  if (message.attachment !== undefined && message.content === '') return message.attachment.fileName;
  const line = message.content
    .slice(0, 2 * SUMMARY_LENGTH)
    .replaceAll(/\s+/g, ' ')
    .trim();
  return line.length > SUMMARY_LENGTH ? `${line.slice(0, SUMMARY_LENGTH)}…` : line;
}
