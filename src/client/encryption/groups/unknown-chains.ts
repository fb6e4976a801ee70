import { type Keystore, RECEIVING_CHAINS, RECORDS } from '../keystore/keystore.ts';
import { deleteGroupKeys } from './group-encryption.ts';

/** Conversations that are checked at one start. */
const MAX_CHECKED = 50;

/**
 * Deletes the sender keys of conversations that don't exist or that the user has left: any contact can send keys for invented
 * ones. Conversations in which the user has written or read are known by their pinned members and not checked.
 *
 * @param isMember - asks the server
 */
export async function deleteUnknownChains(
  keystore: Keystore,
  isMember: (conversationId: string) => Promise<boolean>,
): Promise<void> {
  const { records } = keystore;
  const idIn = (name: string, prefix: string): string =>
    decodeURIComponent(name.slice(prefix.length).split('/')[0] ?? '');
  const pins = RECORDS.memberPin('');
  const known = new Set((await records.listNames(pins)).map((name) => idIn(name, pins)));
  const stored = new Set((await records.listNames(RECEIVING_CHAINS)).map((name) => idIn(name, RECEIVING_CHAINS)));
  for (const id of [...stored].filter((each) => !known.has(each)).slice(0, MAX_CHECKED)) {
    if (!(await isMember(id))) await deleteGroupKeys(keystore, id);
  }
}
