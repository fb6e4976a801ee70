import type { KeyExchangeResponse } from '../../protocol/encryption.ts';
import { isCommError } from '../../protocol/errors.ts';
import { fields } from '../../transport/fields.ts';
import type { ClientContext } from '../context.ts';

/** What the server says are somebody's keys; `undefined`: it says that there are none. Nothing of it is checked yet. */
export async function requestKeys(
  { requester }: Pick<ClientContext, 'requester'>,
  recipientId: string,
): Promise<KeyExchangeResponse | undefined> {
  const answer = await requester.request('encryption:request-keys', { recipientId }).catch((error: unknown) => {
    if (isCommError(error) && error.code === 'NOT_FOUND') return undefined;
    throw error;
  });
  const row = fields(answer);
  // A base server answers with an error of its own kind.
  if (row === undefined || 'error' in row) return undefined;
  const signedPreKey = fields(row['signedPreKey']);
  return signedPreKey === undefined ? undefined : answer;
}
