import { CAPABILITIES } from '../../../protocol/constants.ts';
import { ownerIds } from '../../store/queries/members.ts';
import { typeOfConversation } from '../../store/queries/user-data/erased-rows.ts';
import type { Store } from '../../store/store.ts';
import { forbidden, notFound } from '../errors.ts';
import type { Caller } from '../ports.ts';

/** Returns a caller for code of the app that acts as a user, whom no budget and no hook limits. */
export function appCaller(userId: string): Caller {
  return { userId, caps: new Set(CAPABILITIES), trusted: true };
}

/**
 * Returns an owner of a group, as whom the app changes it: so the rules about owners and the pushes are those of every change.
 *
 * @param except - prefers another owner than this user
 * @throws CommError `NOT_FOUND`, `FORBIDDEN` for a direct conversation
 */
export async function ownerOf(store: Store, conversationId: string, except?: string): Promise<Caller> {
  const owners = await store.read(function* () {
    const type = yield* typeOfConversation(conversationId);
    if (type === undefined) throw notFound();
    if (type === 'direct') throw forbidden('The participants and the name of a direct conversation cannot change');
    return yield* ownerIds(conversationId);
  });
  const owner = owners.find((id) => id !== except) ?? owners[0];
  // A group whose members have all left.
  if (owner === undefined) throw notFound();
  return appCaller(owner);
}
