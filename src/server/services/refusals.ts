import { CommError } from '../../protocol/errors.ts';

/** One answer for what isn't there and for what the caller may not know of: nobody can probe for the difference. */
export function notFound(): CommError {
  return new CommError('NOT_FOUND', 'Not found');
}

export function forbidden(message: string): CommError {
  return new CommError('FORBIDDEN', message);
}

export function invalid(message: string): CommError {
  return new CommError('INVALID', message);
}

export function conflict(message: string): CommError {
  return new CommError('CONFLICT', message);
}
