import type { Complete } from '../lib/complete.ts';
import type { DecryptionFailure } from '../protocol/encryption.ts';
import type { Conversation, ConversationLeft, ConversationUpdate } from '../protocol/conversations.ts';
import type { CommError } from '../protocol/errors.ts';
import type {
  Message,
  MessageDeleted,
  MessageStatusUpdate,
  ReactionUpdate,
  ReadReceiptUpdate,
} from '../protocol/messages.ts';
import type { PresenceUpdate, TypingUpdate } from '../protocol/presence.ts';
import type { User } from '../protocol/users.ts';
import type { ConnectionStatus } from '../transport/connection.ts';
import type { CallSession } from './calls/session/call-types.ts';
import type { MembersChange } from './encryption/groups/member-pin.ts';
import type { IdentityChange } from './encryption/nkc1/identity-trust.ts';
import { kindOf, requireOneOf } from './validation.ts';

/** A message that the server rejected. It stays in the outbox until `messages.retry()` or `messages.discard()`. */
export interface FailedMessage {
  /** The message, with the status `failed`. */
  message: Message;
  /** Why the server rejected it. */
  error: CommError;
}

/** A message that could not be decrypted. If it can be later, `message:updated` follows with its content. */
export interface FailedDecryption {
  /** The message, with empty content. */
  message: Message;
  /** Why it could not be decrypted. */
  reason: DecryptionFailure;
}

/** The events of a client by name, with their payloads. Encrypted messages are decrypted already. */
export interface CommEvents {
  /** A message was stored: by another user, or by this user on any device. */
  'message:new': Message;
  /** A message was edited, or an encrypted message can now be decrypted. */
  'message:updated': Message;
  /** A message was deleted. */
  'message:deleted': MessageDeleted;
  /** A message of this user was delivered or read. */
  'message:status': MessageStatusUpdate;
  /** The reactions to a message changed. */
  'message:reaction-update': ReactionUpdate;
  /** A message was forwarded to a conversation of this user; `message:new` follows. */
  'message:forwarded': Message;
  /** A user has read messages. */
  'read-receipt:update': ReadReceiptUpdate;
  /** A user started or stopped typing. */
  'typing:update': TypingUpdate;
  /** The presence of a watched user changed. */
  'presence:changed': PresenceUpdate;
  /** The profile of a user who shares a conversation, or of this user, changed. */
  'user:updated': User;
  /** The user became a participant of a conversation. */
  'conversation:new': Conversation;
  /** A conversation changed. */
  'conversation:updated': ConversationUpdate;
  /** A user, possibly this one, left a conversation or was removed from it. */
  'conversation:left': ConversationLeft;
  /** The connection status changed. */
  status: ConnectionStatus;
  /** An error outside of any call that the app awaits. */
  error: CommError;
  /** `messages.send()` put a message into the outbox. */
  'message:pending': Message;
  /** The server rejected a message for good. */
  'message:failed': FailedMessage;
  /** An incoming call rings. */
  call: CallSession;
  /** Another user's identity key changed. */
  'encryption:identity-changed': IdentityChange;
  /** The members of an encrypted conversation changed, as the server or a member reports. */
  'encryption:members-changed': MembersChange;
  /** A message could not be decrypted. */
  'encryption:decryption-failed': FailedDecryption;
}

const NAMES = [
  'message:new',
  'message:updated',
  'message:deleted',
  'message:status',
  'message:reaction-update',
  'message:forwarded',
  'read-receipt:update',
  'typing:update',
  'presence:changed',
  'user:updated',
  'conversation:new',
  'conversation:updated',
  'conversation:left',
  'status',
  'error',
  'message:pending',
  'message:failed',
  'call',
  'encryption:identity-changed',
  'encryption:members-changed',
  'encryption:decryption-failed',
] as const satisfies readonly (keyof CommEvents)[];

/** Every event name. */
export const EVENT_NAMES: Complete<keyof CommEvents, typeof NAMES> = NAMES;

/** @throws TypeError for an unknown event name, and for a listener that is no function */
export function requireListener(event: unknown, listener: unknown): void {
  requireOneOf('event', EVENT_NAMES, event);
  if (typeof listener !== 'function') {
    throw new TypeError(`The listener of "${String(event)}" must be a function; got ${kindOf(listener)}`);
  }
}
