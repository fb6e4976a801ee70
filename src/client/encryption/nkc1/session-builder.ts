import { failure, type Outcome } from './failures.ts';
import type { PreKeyBundle } from './prekey-bundle.ts';
import { type Random, x25519KeyPair } from './primitives.ts';
import { initiatorRatchet } from './ratchet.ts';
import {
  archiveSession,
  type LocalIdentity,
  needsSession,
  promoteSession,
  type SessionRecord,
} from './session-record.ts';
import type { SessionState } from './session-state.ts';
import { initiateKeyAgreement, sessionIdFromTranscript } from './x3dh.ts';

/**
 * Establishes outbound sessions. Inbound ones are established by `SessionCipher.decrypt`, because the tag of the first
 * message has to verify before the session is kept.
 */
export const SessionBuilder = {
  /**
   * Starts a session from the peer's bundle and makes it primary. Without a one-time prekey, which the server can withhold, it
   * does not replace a usable session: that one stays primary until the peer has acknowledged the new one.
   */
  initiate(
    record: SessionRecord,
    local: LocalIdentity,
    bundle: PreKeyBundle,
    random: Random,
    now: number,
  ): Outcome<{ record: SessionRecord; sessionId: string }> {
    if (bundle.userId !== record.userId || local.userId === record.userId) return failure('not-ours');
    const ephemeral = x25519KeyPair(random(32));
    const agreement = initiateKeyAgreement(local, bundle, ephemeral);
    if (agreement === undefined) return failure('bad-key');
    const ratchet = initiatorRatchet(agreement.secret, x25519KeyPair(random(32)), bundle.signedPreKey.publicKey);
    if (ratchet === undefined) return failure('bad-key');
    const session: SessionState = {
      id: sessionIdFromTranscript(agreement.transcript),
      transcript: agreement.transcript,
      peerIdentity: bundle.identityKey,
      isInitiator: true,
      isAcknowledged: false,
      createdAt: now,
      preKeyFields: {
        ephemeralKey: ephemeral.publicKey,
        signedPreKeyId: bundle.signedPreKey.id,
        oneTimePreKeyId: bundle.oneTimePreKey?.id,
      },
      ratchet,
    };
    const isWeaker = bundle.oneTimePreKey === undefined && !needsSession(record, now);
    const next = isWeaker ? archiveSession(record, session) : promoteSession(record, session);
    return { ok: true, record: next, sessionId: session.id };
  },
} as const;
