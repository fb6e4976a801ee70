import { CommError } from '../../protocol/errors.ts';

export function notWaiting(): CommError {
  return new CommError('NOT_FOUND', 'No such message waits');
}

export function discarded(): CommError {
  return new CommError('NOT_FOUND', 'The message was discarded');
}

export function handedOver(): CommError {
  return new CommError('DISCONNECTED', 'Somebody else has signed in; the message waits until its sender is back');
}

/** Of the stored outbox: in memory nothing outlives the client. */
export function closed(): CommError {
  return new CommError('DISCONNECTED', 'The client is closed; what is stored goes out with the next one');
}

/** The one code that says that the very same request may succeed later, as this one will. */
export function full(): CommError {
  return new CommError('RATE_LIMITED', 'The outbox is full');
}
