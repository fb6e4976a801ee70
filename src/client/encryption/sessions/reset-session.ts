import { encryptForPeer, enqueueEnvelope, getTrust, type Keystore, putTrust, RECORDS } from '../keystore/keystore.ts';
import { allowResending } from '../messages/resent-copies.ts';
import type { SessionManager } from './session-manager.ts';

/** Shortest interval between two resets with one peer. */
const RESET_INTERVAL_MS = 3_600_000;

/**
 * Starts a new session with a peer whose messages can't be decrypted, and enqueues a `session-reset` on it. At most once per
 * hour and peer.
 *
 * @returns whether an envelope was enqueued
 */
export async function resetSession(
  sessions: SessionManager,
  keystore: Keystore,
  peerId: string,
  now: number,
): Promise<boolean> {
  let isEnqueued = false;
  await sessions.lock(keystore, peerId, async () => {
    const isDue = await keystore.records.transact([RECORDS.trust(peerId)], (tx) => {
      const trust = getTrust(tx, peerId);
      if (trust?.changedTo !== undefined || now - (trust?.resetAt ?? 0) < RESET_INTERVAL_MS) return false;
      if (trust !== undefined) putTrust(tx, peerId, { ...trust, resetAt: now });
      return true;
    });
    if (!isDue) return;
    const sessionId = await sessions.restart(keystore, peerId);
    const names = [RECORDS.identity, RECORDS.session(peerId), RECORDS.trust(peerId)];
    isEnqueued = await keystore.records.transact(names, (tx) => {
      const trust = getTrust(tx, peerId);
      if (trust !== undefined) putTrust(tx, peerId, { ...trust, resetAt: now });
      tx.delete(RECORDS.failures(peerId));
      allowResending(tx, peerId, now);
      const reset = { id: keystore.newId(), ts: now, kind: 'session-reset' } as const;
      const step = encryptForPeer(tx, keystore, peerId, reset, sessionId);
      if (step.ok) enqueueEnvelope(tx, keystore, step.envelope);
      return step.ok;
    });
  });
  return isEnqueued;
}
