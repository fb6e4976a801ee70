import type { KeyExchangeResponse } from '../../../protocol/encryption.ts';
import { CommError, isCommError } from '../../../protocol/errors.ts';
import { fields } from '../../../transport/fields.ts';
import type { ClientContext } from '../../context.ts';

/** Requests the keys of a user. The answer is not verified. Returns `undefined` if the user has published none. */
export async function requestKeys(
  { requester }: Pick<ClientContext, 'requester'>,
  recipientId: string,
): Promise<KeyExchangeResponse | undefined> {
  const answer = await requester.request('encryption:request-keys', { recipientId }).catch((error: unknown) => {
    if (isCommError(error) && error.code === 'NOT_FOUND') return undefined;
    throw error;
  });
  const row = fields(answer);
  // A base server reports missing keys by an `error` field.
  if (row === undefined || 'error' in row) return undefined;
  const signedPreKey = fields(row['signedPreKey']);
  return signedPreKey === undefined ? undefined : answer;
}

/** Creates the error for a user whose keys were published by another device. */
export function otherDeviceError(): CommError {
  return new CommError('E2EE_OTHER_DEVICE', 'Another device of this user has published its keys', {
    fix: 'Call encryption.takeOver(), or encryption.importBackup() with a backup of that device.',
  });
}
