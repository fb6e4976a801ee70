import type { CommError } from '../protocol/errors.ts';
import type { Pushes } from '../protocol/events.ts';
import type { Message } from '../protocol/messages.ts';
import type { ConnectionStatus } from '../transport/connection.ts';
import type { CallSession } from './calls/call-types.ts';

/** A message that will not be sent as it is; `retry(clientId)` and `discard(clientId)` are what's left. */
export interface FailedMessage {
  message: Message;
  error: CommError;
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
}

/** Every push of the protocol under its own name with its exact payload, and the client's own events. */
export type CommEvents = Omit<Pushes, keyof OwnEvents | 'comm:hello' | 'message:error'> & OwnEvents;
