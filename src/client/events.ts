import type { CommError } from '../protocol/errors.ts';
import type { DecryptionFailure } from '../protocol/encryption.ts';
import type { Pushes } from '../protocol/events.ts';
import type { Message } from '../protocol/messages.ts';
import type { ConnectionStatus } from '../transport/connection.ts';
import type { CallSession } from './calls/call-types.ts';

/** A message that will not be sent as it is; `retry(clientId)` and `discard(clientId)` are what's left. */
export interface FailedMessage {
  message: Message;
  error: CommError;
}

/** Somebody shows another identity key than the one that was known; it is told before any message under it is. */
export interface IdentityChange {
  userId: string;
  /** The new one, in padded base64: what `encryption.acceptIdentity()` takes. */
  identityKey: string;
  previousKey: string;
  /** True when the previous one had been verified. */
  wasVerified: boolean;
  /** True when the policy took it as it is; false: nothing is sent or shown until it is accepted. */
  accepted: boolean;
}

/** A message that can't be read; it is shown without a text, and again (`message:updated`) once it can. */
export interface FailedDecryption {
  message: Message;
  reason: DecryptionFailure;
}

/** The client's own events. */
export interface OwnEvents {
  status: ConnectionStatus;
  /** Something failed that nobody awaited. */
  error: CommError;
  /** A message of one's own stands in the timeline and waits to be stored. */
  'message:pending': Message;
  'message:failed': FailedMessage;
  /** Somebody calls. */
  call: CallSession;
  'encryption:identity-changed': IdentityChange;
  'encryption:decryption-failed': FailedDecryption;
}

/** Every push of the protocol under its own name with its exact payload, and the client's own events. */
export type CommEvents = Omit<Pushes, keyof OwnEvents | 'comm:hello' | 'message:error'> & OwnEvents;
