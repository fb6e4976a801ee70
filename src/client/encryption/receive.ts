import { equalBytes } from '../../lib/bytes.ts';
import type { EncryptedEnvelope } from '../../protocol/encryption.ts';
import { type Opening, type PairEnvelope, parsePairEnvelope } from './envelope.ts';
import { failure, type Failure, type Outcome } from './failures.ts';
import { readPayload } from './payload.ts';
import {
  type Own,
  type Peer,
  replaceSession,
  sessionOf,
  type Tombstone,
  withArchived,
  withPrimary,
} from './peer-sessions.ts';
import { identityToDh } from './primitives.ts';
import { answerRatchet } from './ratchet.ts';
import { openOn, type Session } from './session.ts';
import { answerAgreement, sessionIdOf, transcriptOf } from './x3dh.ts';

export interface Decrypted {
  readonly peer: Peer;
  readonly plaintext: Uint8Array;
  readonly sessionId: string;
  /** The sender's identity key, which the tag has proven. Compare the envelope's with the pin *before* calling. */
  readonly identityKey: Uint8Array;
  /** It started a session: delete the one-time key in the transaction that stores `peer`. */
  readonly started: { readonly signedPreKeyId: number; readonly oneTimePreKeyId: number | undefined } | undefined;
  /** A `session-ack` has to go out on `sessionId`. */
  readonly ackDue: boolean;
  /** It is the first thing decrypted on a session that we started: it is established. */
  readonly established: boolean;
}

/** Sessions that one peer may start before its oldest are forgotten. */
const MAX_TOMBSTONES = 1_000;

/** Reads an envelope from the peer. A failure has changed nothing. */
export function receive(peer: Peer, own: Own, envelope: EncryptedEnvelope, now: number): Outcome<Decrypted> {
  if (envelope.senderId !== peer.userId || envelope.recipientId !== own.userId || peer.userId === own.userId)
    return failure('not-ours');
  const parsed = parsePairEnvelope(envelope);
  if (parsed === undefined) return failure('malformed');
  const known = sessionOf(peer, envelope.sessionId);
  if (known === undefined) return receiveFirst(peer, own, envelope.sessionId, parsed, now);
  if (!equalBytes(known.peerIdentity, parsed.identityKey)) return failure('wrong-key');
  if (parsed.opening !== undefined && (known.ours || !isSameOpening(known.opening, parsed.opening)))
    return failure('malformed');
  return read(peer, own, known, parsed, now, undefined);
}

function isSameOpening(a: Opening, b: Opening): boolean {
  return (
    equalBytes(a.ephemeralKey, b.ephemeralKey) &&
    a.signedPreKeyId === b.signedPreKeyId &&
    a.oneTimePreKeyId === b.oneTimePreKeyId
  );
}

/** An envelope of a session that isn't here: one that starts it, or one that comes too late or too early. */
function receiveFirst(peer: Peer, own: Own, sessionId: string, parsed: PairEnvelope, now: number): Outcome<Decrypted> {
  if (parsed.opening === undefined) return failure('unknown-session');
  if (peer.tombstones.some((each) => each.sessionId === sessionId)) return failure('replay');
  const session = answer(peer, own, sessionId, parsed, parsed.opening, now);
  return 'reason' in session ? session : read(peer, own, session, parsed, now, parsed.opening);
}

function answer(
  peer: Peer,
  own: Own,
  sessionId: string,
  { identityKey }: PairEnvelope,
  opening: Opening,
  now: number,
): Session | Failure {
  const signed = own.preKeys.signed.find(({ id }) => id === opening.signedPreKeyId);
  const oneTime = own.preKeys.oneTime.find(({ id }) => id === opening.oneTimePreKeyId);
  if (signed === undefined || (oneTime === undefined && opening.oneTimePreKeyId !== undefined))
    return failure('unknown-prekey');
  const { ephemeralKey } = opening;
  const starts = { userId: peer.userId, identityKey };
  const answers = { userId: own.userId, identityKey: own.identity.publicKey };
  const transcript = transcriptOf(starts, answers, ephemeralKey, signed, oneTime);
  // Also what our keys look like under ids that somebody else's copy of this identity has given out.
  if (sessionIdOf(transcript) !== sessionId) return failure('unknown-prekey');
  if (identityToDh(identityKey) === undefined) return failure('bad-key');
  const agreed = answerAgreement(own.identity, transcript, identityKey, ephemeralKey, signed, oneTime);
  if (agreed === undefined) return failure('bad-key');
  return {
    id: sessionId,
    transcript,
    peerIdentity: identityKey,
    ours: false,
    acknowledged: true,
    createdAt: now,
    opening,
    ratchet: answerRatchet(agreed.secret, signed),
  };
}

function read(
  peer: Peer,
  own: Own,
  session: Session,
  parsed: PairEnvelope,
  now: number,
  started: Opening | undefined,
): Outcome<Decrypted> {
  const step = openOn(session, { senderId: peer.userId, recipientId: own.userId }, parsed, now);
  if (!step.ok) return step;
  const { plaintext, newest, ratchet } = step;
  const next = { ...session, ratchet, acknowledged: true };
  const kind = readPayload(plaintext)?.kind;
  const leads = kind === 'session-reset' ? newest : kind !== 'session-ack' && newest && becomesPrimary(peer, next);
  const placed = leads || peer.primary === undefined ? withPrimary(peer, next) : aside(peer, next);
  return {
    ok: true,
    peer: { ...placed, tombstones: tombstonesOf(peer, own, session.id, started) },
    plaintext,
    sessionId: session.id,
    identityKey: session.peerIdentity,
    started: started && { signedPreKeyId: started.signedPreKeyId, oneTimePreKeyId: started.oneTimePreKeyId },
    ackDue: started !== undefined,
    established: session.ours && !session.acknowledged,
  };
}

/**
 * Whether what was just decrypted makes its session the one to send on. Where both sides have started one, both keep the
 * one with the smaller TH as long as ours isn't acknowledged; otherwise the newest message shows what the other side uses.
 */
function becomesPrimary({ primary }: Peer, session: Session): boolean {
  if (primary === undefined || primary.id === session.id) return true;
  if (session.ours || !primary.ours || primary.acknowledged) return true;
  return isSmaller(session.transcript, primary.transcript);
}

function isSmaller(a: Uint8Array, b: Uint8Array): boolean {
  for (const [at, byte] of a.entries()) {
    const other = b[at] ?? 0;
    if (byte !== other) return byte < other;
  }
  return false;
}

function aside(peer: Peer, session: Session): Peer {
  return peer.primary?.id === session.id ? replaceSession(peer, session) : withArchived(peer, session);
}

function tombstonesOf(
  { tombstones }: Peer,
  { preKeys }: Own,
  sessionId: string,
  started: Opening | undefined,
): readonly Tombstone[] {
  if (started === undefined) return tombstones;
  const alive = tombstones.filter((each) => preKeys.signed.some(({ id }) => id === each.signedPreKeyId));
  return [...alive, { sessionId, signedPreKeyId: started.signedPreKeyId }].slice(-MAX_TOMBSTONES);
}
