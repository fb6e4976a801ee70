import { equalBytes } from '../../../lib/bytes.ts';
import type { EncryptedEnvelope } from '../../../protocol/encryption.ts';
import { buildEnvelope, isLaterFormat, type PairEnvelope, parsePairEnvelope, type PreKeyFields } from './envelope.ts';
import { failure, type Failure, type Outcome } from './failures.ts';
import { decodePayload } from './payload.ts';
import { ed25519ToX25519, type Random } from './primitives.ts';
import { responderRatchet } from './ratchet.ts';
import {
  archiveSession,
  findSession,
  type LocalIdentity,
  type LocalParty,
  promoteSession,
  replaceSession,
  type SessionRecord,
  type Tombstone,
} from './session-record.ts';
import { decryptInSession, encryptInSession, type SessionState } from './session-state.ts';
import { respondToKeyAgreement, sessionIdFromTranscript, transcriptHash } from './x3dh.ts';

/** A decrypted message, and what it has changed. */
export interface DecryptedMessage {
  readonly record: SessionRecord;
  readonly plaintext: Uint8Array;
  readonly sessionId: string;
  /** The sender's identity key, which the tag has authenticated. The caller compares it with the pinned key. */
  readonly identityKey: Uint8Array;
  /** Set if it started a session: delete the one-time prekey in the transaction that stores `record`. */
  readonly started: { readonly signedPreKeyId: number; readonly oneTimePreKeyId: number | undefined } | undefined;
  /** True if a `session-ack` must be sent on `sessionId`. */
  readonly ackDue: boolean;
  /** True if it is the first message decrypted on a session that this user started. */
  readonly established: boolean;
}

/** Sessions started by one peer that are remembered against replays; the oldest are evicted. */
const MAX_TOMBSTONES = 1_000;

/** Encrypts and decrypts the messages between two users. A failure changes nothing. */
export const SessionCipher = {
  /**
   * Encrypts on the primary session, or on the session named by `sessionId` (an acknowledgement is sent on the session that it
   * acknowledges).
   */
  encrypt(
    record: SessionRecord,
    local: LocalIdentity,
    plaintext: Uint8Array,
    random: Random,
    sessionId?: string,
  ): Outcome<{ record: SessionRecord; envelope: EncryptedEnvelope }> {
    const session = sessionId === undefined ? record.primary : findSession(record, sessionId);
    const route = { senderId: local.userId, recipientId: record.userId };
    const encrypted = session && encryptInSession(session, route, plaintext, random);
    if (encrypted === undefined) return failure('unknown-session');
    const from = { userId: local.userId, identityKey: local.identity.publicKey };
    const { ciphertext, preKeyFields } = encrypted;
    const envelope = buildEnvelope(from, record.userId, encrypted.session.id, ciphertext, preKeyFields);
    return { ok: true, record: replaceSession(record, encrypted.session), envelope };
  },

  /** Decrypts an envelope from the peer. A `prekey` envelope of an unknown session establishes that session. */
  decrypt(
    record: SessionRecord,
    local: LocalParty,
    envelope: EncryptedEnvelope,
    now: number,
  ): Outcome<DecryptedMessage> {
    const isOurs = envelope.senderId === record.userId && envelope.recipientId === local.userId;
    if (!isOurs || record.userId === local.userId) return failure('not-ours');
    const parsed = parsePairEnvelope(envelope);
    if (parsed === undefined) return failure(isLaterFormat(envelope) ? 'unsupported' : 'malformed');
    const session = findSession(record, envelope.sessionId);
    if (session === undefined) return decryptFirst(record, local, envelope.sessionId, parsed, now);
    if (!equalBytes(session.peerIdentity, parsed.identityKey)) return failure('wrong-key');
    const { preKeyFields } = parsed;
    if (preKeyFields !== undefined && (session.isInitiator || !isSame(session.preKeyFields, preKeyFields)))
      return failure('malformed');
    return decryptOn(record, local, session, parsed, now, undefined);
  },
} as const;

function isSame(a: PreKeyFields, b: PreKeyFields): boolean {
  return (
    equalBytes(a.ephemeralKey, b.ephemeralKey) &&
    a.signedPreKeyId === b.signedPreKeyId &&
    a.oneTimePreKeyId === b.oneTimePreKeyId
  );
}

/** Decrypts an envelope of an unknown session, which must establish it. */
function decryptFirst(
  record: SessionRecord,
  local: LocalParty,
  sessionId: string,
  parsed: PairEnvelope,
  now: number,
): Outcome<DecryptedMessage> {
  const { preKeyFields } = parsed;
  if (preKeyFields === undefined) return failure('unknown-session');
  if (record.tombstones.some((each) => each.sessionId === sessionId)) return failure('replay');
  const session = respond(record, local, sessionId, parsed, preKeyFields, now);
  return 'reason' in session ? session : decryptOn(record, local, session, parsed, now, preKeyFields);
}

/** Computes the responder's side of a session. */
function respond(
  record: SessionRecord,
  local: LocalParty,
  sessionId: string,
  { identityKey }: PairEnvelope,
  preKeyFields: PreKeyFields,
  now: number,
): SessionState | Failure {
  const { ephemeralKey, signedPreKeyId, oneTimePreKeyId } = preKeyFields;
  const signed = local.preKeys.signedPreKeys.find(({ id }) => id === signedPreKeyId);
  const oneTime = local.preKeys.oneTimePreKeys.find(({ id }) => id === oneTimePreKeyId);
  if (signed === undefined || (oneTime === undefined && oneTimePreKeyId !== undefined))
    return failure('unknown-prekey');
  const initiator = { userId: record.userId, identityKey };
  const responder = { userId: local.userId, identityKey: local.identity.publicKey };
  const transcript = transcriptHash(initiator, responder, ephemeralKey, signed, oneTime);
  // Also fails if another device with the same identity has published other keys under these ids.
  if (sessionIdFromTranscript(transcript) !== sessionId) return failure('unknown-prekey');
  if (ed25519ToX25519(identityKey) === undefined) return failure('bad-key');
  const agreement = respondToKeyAgreement(local.identity, transcript, identityKey, ephemeralKey, signed, oneTime);
  if (agreement === undefined) return failure('bad-key');
  return {
    id: sessionId,
    transcript,
    peerIdentity: identityKey,
    isInitiator: false,
    isAcknowledged: true,
    createdAt: now,
    preKeyFields,
    ratchet: responderRatchet(agreement.secret, signed),
  };
}

function decryptOn(
  record: SessionRecord,
  local: LocalParty,
  session: SessionState,
  parsed: PairEnvelope,
  now: number,
  started: PreKeyFields | undefined,
): Outcome<DecryptedMessage> {
  const route = { senderId: record.userId, recipientId: local.userId };
  const step = decryptInSession(session, route, parsed, now);
  if (!step.ok) return step;
  const { plaintext, isNewest, ratchet } = step;
  const next = { ...session, ratchet, isAcknowledged: true };
  const kind = decodePayload(plaintext)?.kind;
  const isPreferred =
    kind === 'session-ack'
      ? isReplacement(record, session)
      : isNewest && (kind === 'session-reset' || becomesPrimary(record, next));
  const updated =
    isPreferred || record.primary === undefined
      ? promoteSession(record, next)
      : record.primary.id === next.id
        ? replaceSession(record, next)
        : archiveSession(record, next);
  return {
    ok: true,
    record: { ...updated, tombstones: nextTombstones(record, local, session.id, started) },
    plaintext,
    sessionId: session.id,
    identityKey: session.peerIdentity,
    started: started && { signedPreKeyId: started.signedPreKeyId, oneTimePreKeyId: started.oneTimePreKeyId },
    ackDue: started !== undefined,
    established: session.isInitiator && !session.isAcknowledged,
  };
}

/**
 * Whether a session becomes primary after a message was decrypted on it. If both users have started a session and ours is not
 * acknowledged, both keep the session with the smaller TH. Otherwise the newest message shows which session the peer uses.
 */
function becomesPrimary({ primary }: SessionRecord, session: SessionState): boolean {
  if (primary === undefined || primary.id === session.id) return true;
  if (session.isInitiator || !primary.isInitiator || primary.isAcknowledged) return true;
  return isSmaller(session.transcript, primary.transcript);
}

/** Whether a session of ours that the peer acknowledges was started to replace the primary one. */
function isReplacement({ primary }: SessionRecord, { isInitiator, isAcknowledged, createdAt }: SessionState): boolean {
  return isInitiator && !isAcknowledged && primary !== undefined && createdAt > primary.createdAt;
}

function isSmaller(a: Uint8Array, b: Uint8Array): boolean {
  for (const [at, byte] of a.entries()) {
    const other = b[at] ?? 0;
    if (byte !== other) return byte < other;
  }
  return false;
}

function nextTombstones(
  { tombstones }: SessionRecord,
  { preKeys }: LocalParty,
  sessionId: string,
  started: PreKeyFields | undefined,
): readonly Tombstone[] {
  if (started === undefined) return tombstones;
  const live = tombstones.filter((each) => preKeys.signedPreKeys.some(({ id }) => id === each.signedPreKeyId));
  return [...live, { sessionId, signedPreKeyId: started.signedPreKeyId }].slice(-MAX_TOMBSTONES);
}
