import type { ClientContext } from '../../context.ts';
import { fetchBundle, invalidKeysError } from '../keys/fetch-bundle.ts';
import { getSessionRecord, getTrust, type Keystore, putTrust, RECORDS } from '../keystore/keystore.ts';
import { evaluateIdentityKey, type TrustDecision } from '../nkc1/identity-trust.ts';
import { SessionBuilder } from '../nkc1/session-builder.ts';
import { encodeSessionRecord, needsSession, retainIdentity } from '../nkc1/session-record.ts';

/**
 * Fetches a peer's bundle, updates the trust in their identity key, and starts a session if none exists or `restart` is set.
 * If the key is not accepted, no session is started.
 *
 * @returns the decision, and the id of the session if one was started
 * @throws CommError `E2EE_NO_KEYS`
 */
export async function startSession(
  context: ClientContext,
  keystore: Keystore,
  peerId: string,
  { restart, policy }: { readonly restart: boolean; readonly policy: 'warn' | 'block' },
): Promise<TrustDecision & { readonly sessionId?: string }> {
  const bundle = await fetchBundle(context, peerId);
  const now = context.clock.now();
  const names = [RECORDS.identity, RECORDS.session(peerId), RECORDS.trust(peerId)];
  return keystore.records.transact(names, (tx) => {
    const decision = evaluateIdentityKey(peerId, getTrust(tx, peerId), bundle.identityKey, policy, now);
    const { stale: _stale, ...trust } = decision.trust;
    putTrust(tx, peerId, trust);
    if (!decision.accepted) return decision;
    const record = retainIdentity(getSessionRecord(tx, peerId), bundle.identityKey);
    // The bundle may have been fetched only because the trust was stale: an existing session stays in use.
    if (!restart && !needsSession(record, now)) return decision;
    const step = SessionBuilder.initiate(record, keystore.localIdentity(tx), bundle, keystore.random, now);
    if (!step.ok) throw invalidKeysError(peerId);
    tx.put(RECORDS.session(peerId), encodeSessionRecord(step.record));
    return { ...decision, sessionId: step.sessionId };
  });
}
