import { isCommError } from '../../../src/index.ts';

/** What a promise is rejected with; begins to listen at once. */
export async function rejectionOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => {
      throw new Error('It should have been rejected');
    },
    (error: unknown) => error,
  );
}

/** The code of the CommError that a promise is rejected with. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await rejectionOf(promise);
  if (!isCommError(error)) throw new Error('Not a CommError', { cause: error });
  return error.code;
}
