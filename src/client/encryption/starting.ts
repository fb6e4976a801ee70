import { CommError } from '../../protocol/errors.ts';
import type { ClientContext } from '../context.ts';
import { keepPin, NAMES, peerIn, pinIn, type Account } from './account.ts';
import { readBundle, type Bundle } from './bundle.ts';
import { requestKeys } from './key-requests.ts';
import { encodePeer, keepIdentity, needsSession } from './peer-sessions.ts';
import { secureRandom } from './primitives.ts';
import { startWith } from './session-start.ts';
import { meet, type Meeting } from './trust.ts';

/**
 * Starts a session with somebody, unless one is there and `anew` doesn't ask for another. What came of meeting their key
 * is returned: where it isn't accepted, nothing was started.
 * @throws CommError `E2EE_NO_KEYS`
 */
export async function startSession(
  context: ClientContext,
  account: Account,
  peerId: string,
  { anew, policy }: { readonly anew: boolean; readonly policy: 'warn' | 'block' },
): Promise<Meeting> {
  const bundle = await fetchBundle(context, peerId);
  const now = context.clock.now();
  const names = [NAMES.identity, NAMES.peer(peerId), NAMES.pin(peerId)];
  return account.records.transact(names, (view) => {
    const met = meet(peerId, pinIn(view, peerId), bundle.identityKey, policy);
    const { stale: _stale, ...pin } = met.pin;
    keepPin(view, peerId, pin);
    if (!met.accepted) return met;
    const peer = keepIdentity(peerIn(view, peerId), bundle.identityKey);
    // Looked up only because a server said that the key might be another: the session goes on.
    if (!anew && !needsSession(peer, now)) return met;
    const own = { userId: account.userId, identity: account.identity(view) };
    const step = startWith(peer, own, bundle, secureRandom, now);
    if (!step.ok) throw badKeys(peerId);
    view.put(NAMES.peer(peerId), encodePeer(step.peer));
    return met;
  });
}

/** Somebody's keys as the server hands them out, checked. @throws CommError `E2EE_NO_KEYS` */
export async function fetchBundle(context: ClientContext, peerId: string): Promise<Bundle> {
  const response = await requestKeys(context, peerId);
  if (response === undefined) throw new CommError('E2EE_NO_KEYS', `${peerId} has published no keys`);
  const read = readBundle(peerId, response);
  if (!read.ok) throw badKeys(peerId);
  return read.bundle;
}

function badKeys(peerId: string): CommError {
  return new CommError('E2EE_NO_KEYS', `The keys that the server hands out for ${peerId} are not sound`);
}
