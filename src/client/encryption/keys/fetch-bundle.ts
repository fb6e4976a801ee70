import { CommError } from '../../../protocol/errors.ts';
import type { ClientContext } from '../../context.ts';
import { parsePreKeyBundle, type PreKeyBundle } from '../nkc1/prekey-bundle.ts';
import { requestKeys } from './request-keys.ts';

/**
 * Fetches and verifies the keys of a user. Each call may use up one of the user's one-time prekeys.
 *
 * @throws CommError `E2EE_NO_KEYS` if the user has published no or invalid keys
 */
export async function fetchBundle(context: ClientContext, userId: string): Promise<PreKeyBundle> {
  const response = await requestKeys(context, userId);
  if (response === undefined) throw new CommError('E2EE_NO_KEYS', `${userId} has published no keys`);
  const parsed = parsePreKeyBundle(userId, response);
  if (!parsed.ok) throw invalidKeysError(userId);
  return parsed.bundle;
}

/** Creates the error for a bundle that doesn't verify. */
export function invalidKeysError(userId: string): CommError {
  return new CommError('E2EE_NO_KEYS', `The server returned invalid keys for ${userId}`);
}
