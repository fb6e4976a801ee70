import type { Conversation, Message, Participant, PresenceStatus } from 'lumen-comm';
import { captionOf, describeFiles, filesOf } from '../attachments/message-files.ts';
import { callLogOf, logWords } from './call-log.ts';
import { profileOf } from './profiles.ts';

export const SUGGESTED_PEOPLE = ['alice', 'bob', 'carol', 'dave'] as const;

/** The user who sees the reports; see `moderation.ts` of the playground's server. */
export const MODERATOR = 'moderator';

/** Normalizes a typed name to a user id: "  Mary  Jane" becomes `mary jane`. */
export function personId(typed: string): string {
  return typed.trim().replaceAll(/\s+/g, ' ').toLowerCase();
}

/** Returns the name of a user's profile. Users without one have a name that is derived from their id. */
export function nameOf(userId: string): string {
  return profileOf(userId)?.name ?? nameOfId(userId);
}

function nameOfId(userId: string): string {
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

/** Returns true for an encrypted message that is not decrypted, or not yet. */
export function isUnreadable({ encrypted, undecrypted, content }: Message): boolean {
  return undecrypted !== undefined || (encrypted === true && content === '');
}

const SUMMARY_LENGTH = 200;

/** Returns a one-line summary of a message. */
export function summaryOf(message: Message, ownId?: string): string {
  if (message.deletedAt !== undefined) return 'Message deleted';
  const log = callLogOf(message);
  if (log !== undefined) return logWords(log, message.senderId === ownId);
  if (isUnreadable(message)) return 'Encrypted message';
  const files = filesOf(message);
  const line = (captionOf(message, files) || describeFiles(files))
    .slice(0, 2 * SUMMARY_LENGTH)
    .replaceAll(/\s+/g, ' ')
    .trim();
  return line.length > SUMMARY_LENGTH ? `${line.slice(0, SUMMARY_LENGTH)}…` : line;
}
