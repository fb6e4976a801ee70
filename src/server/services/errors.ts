import { CommError } from '../../protocol/errors.ts';

/**
 * Creates the error for a missing object and for one that the caller may not know about, so that they can't be
 * distinguished.
 */
export function notFound(): CommError {
  return new CommError('NOT_FOUND', 'Not found');
}

/** Creates a `FORBIDDEN` error. */
export function forbidden(message: string): CommError {
  return new CommError('FORBIDDEN', message);
}

/** Creates an `INVALID` error. The message names the field and the rule. */
export function invalid(message: string): CommError {
  return new CommError('INVALID', message);
}

/** Creates a `CONFLICT` error. */
export function conflict(message: string): CommError {
  return new CommError('CONFLICT', message);
}

/** Creates the error for a user who may not be contacted. It doesn't say whether a hook or a block is the reason. */
export function mayNotContact(): CommError {
  return forbidden('You may not contact this user');
}
