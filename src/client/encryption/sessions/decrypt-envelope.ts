import type { DecryptionFailure, EncryptedEnvelope } from '../../../protocol/encryption.ts';
import {
  encryptForPeer,
  enqueueEnvelope,
  getSessionRecord,
  getTrust,
  type Keystore,
  putTrust,
  RECORDS,
} from '../keystore/keystore.ts';
import type { RecordTransaction } from '../keystore/record-store.ts';
import type { FailureReason } from '../nkc1/failures.ts';
import { evaluateIdentityKey, type IdentityChange } from '../nkc1/identity-trust.ts';
import { decodePayload, type Payload } from '../nkc1/payload.ts';
import { encodePreKeyState, removeOneTimePreKey } from '../nkc1/prekey-state.ts';
import { SessionCipher } from '../nkc1/session-cipher.ts';
import { encodeSessionRecord, retainIdentity } from '../nkc1/session-record.ts';

/** Effects of decrypting an envelope. The caller performs them after the transaction has committed. */
export interface DecryptionEffects {
  /** To be emitted. */
  readonly identityChange?: IdentityChange | undefined;
  /** True if the peer has acknowledged a session that this user started. */
  readonly sessionEstablished?: boolean | undefined;
  /** True if the peer has started a session: earlier failures may succeed now. */
  readonly sessionStarted?: boolean | undefined;
  /** True if an envelope was enqueued for the mailbox. */
  readonly enqueued?: boolean | undefined;
}

/** A payload of a later version with its authenticated identity key. */
export interface UnsupportedContent {
  readonly plaintext: Uint8Array;
  readonly identityKey: Uint8Array;
}

/** A decrypted payload with its authenticated identity key, or the reason why decryption failed. */
export type DecryptionResult =
  | {
      readonly ok: true;
      readonly payload: Payload;
      readonly identityKey: Uint8Array;
      readonly effects: DecryptionEffects;
    }
  | {
      readonly ok: false;
      readonly reason: DecryptionFailure;
      readonly effects: DecryptionEffects;
      /** A decrypted payload of a later version, to be kept: its key no longer exists. */
      readonly unsupported?: UnsupportedContent | undefined;
      /** Why a pairwise envelope could not be decrypted on a session that exists. */
      readonly sessionFailure?: FailureReason | undefined;
    };

const PUBLIC_REASON: Readonly<Record<FailureReason, DecryptionFailure>> = {
  malformed: 'invalid',
  unsupported: 'unsupported',
  'not-ours': 'misplaced',
  'wrong-key': 'invalid',
  'unknown-session': 'unknown-session',
  'unknown-prekey': 'unknown-prekey',
  replay: 'replayed',
  gap: 'gap',
  'bad-tag': 'invalid',
  'bad-key': 'invalid',
};

/** Creates a failed result. NKC1's reasons are mapped to the ones that the app sees. */
export function decryptionFailed(
  reason: FailureReason | DecryptionFailure,
  effects: DecryptionEffects = {},
): Extract<DecryptionResult, { ok: false }> {
  return {
    ok: false,
    reason: reason in PUBLIC_REASON ? PUBLIC_REASON[reason as FailureReason] : (reason as DecryptionFailure),
    effects,
  };
}

/** The records that {@link decryptFromPeer} reads. */
export function recordsForSender(senderId: string): string[] {
  return [RECORDS.identity, RECORDS.preKeys, RECORDS.session(senderId), RECORDS.trust(senderId)];
}

/**
 * Decrypts a pairwise envelope. In the same transaction it stores the session and the trust, deletes the one-time prekey that
 * the session used, and enqueues the acknowledgement that is due. If the sender's identity key is not accepted, only the key
 * change is stored, so that the envelope can be decrypted later.
 */
export function decryptFromPeer(
  tx: RecordTransaction,
  keystore: Keystore,
  envelope: EncryptedEnvelope,
  policy: 'warn' | 'block',
  now: number,
): DecryptionResult {
  const { senderId } = envelope;
  const local = keystore.localParty(tx);
  const current = getSessionRecord(tx, senderId);
  const step = SessionCipher.decrypt(current, local, envelope, now);
  if (!step.ok) {
    const sessionFailure = current.primary === undefined ? undefined : step.reason;
    return { ...decryptionFailed(step.reason), sessionFailure };
  }
  const known = getTrust(tx, senderId);
  const { trust, accepted, change } = evaluateIdentityKey(senderId, known, step.identityKey, policy, now);
  if (trust !== known) putTrust(tx, senderId, trust);
  if (!accepted) return decryptionFailed('identity-changed', { identityChange: change });
  const record = change === undefined ? step.record : retainIdentity(step.record, step.identityKey);
  tx.put(RECORDS.session(senderId), encodeSessionRecord(record));
  const oneTimeId = step.started?.oneTimePreKeyId;
  if (oneTimeId !== undefined) {
    tx.put(RECORDS.preKeys, encodePreKeyState(removeOneTimePreKey(local.preKeys, oneTimeId)));
  }
  const canAcknowledge = step.ackDue && keystore.isStored;
  if (canAcknowledge) {
    const ack = { id: keystore.newId(), ts: now, kind: 'session-ack' } as const;
    const encrypted = encryptForPeer(tx, keystore, senderId, ack, step.sessionId);
    if (encrypted.ok) enqueueEnvelope(tx, keystore, encrypted.envelope);
  }
  const effects: DecryptionEffects = {
    identityChange: change,
    sessionEstablished: step.established,
    sessionStarted: step.started !== undefined,
    enqueued: canAcknowledge,
  };
  return openPayload(step.plaintext, step.identityKey, effects);
}

/**
 * Decodes a decrypted payload, which may be one of a later version.
 *
 * @param identityKey - the authenticated identity key; not needed for messages
 */
export function openPayload(
  plaintext: Uint8Array,
  identityKey: Uint8Array = new Uint8Array(),
  effects: DecryptionEffects = {},
): DecryptionResult {
  const payload = decodePayload(plaintext);
  if (payload === undefined) return decryptionFailed('invalid', effects);
  if (payload.kind !== 'unsupported') return { ok: true, payload, identityKey, effects };
  return { ...decryptionFailed('unsupported', effects), unsupported: { plaintext, identityKey } };
}
