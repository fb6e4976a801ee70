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
