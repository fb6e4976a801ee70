import { uuidv7 } from '../../lib/ids.ts';
import type { DecryptionFailure, EncryptedEnvelope } from '../../protocol/encryption.ts';
import type { IdentityChange } from '../events.ts';
import { encryptIn, keepPin, NAMES, peerIn, pinIn, postIn, type Account } from './account.ts';
import type { FailureReason } from './failures.ts';
import { readPayload, type Payload } from './payload.ts';
import { encodePeer, keepIdentity } from './peer-sessions.ts';
import { consumeOneTime, encodePreKeys } from './prekeys.ts';
import { receive } from './receive.ts';
import type { View } from './records.ts';
import { meet } from './trust.ts';

/** What reading an envelope has brought about, to be told once the step is committed. */
export interface News {
  readonly change?: IdentityChange | undefined;
  /** The session that the peer has confirmed. */
  readonly established?: { readonly sessionId: string; readonly senderId: string } | undefined;
  /** A session that the peer has started: what couldn't be read before may be readable now. */
  readonly started?: boolean | undefined;
  /** Something waits to be posted. */
  readonly posted?: boolean | undefined;
}

export type Reading =
  | { readonly ok: true; readonly payload: Payload; readonly identityKey: Uint8Array; readonly news: News }
  | { readonly ok: false; readonly reason: DecryptionFailure; readonly news: News };

const REASONS: Readonly<Record<FailureReason, DecryptionFailure>> = {
  malformed: 'invalid',
  'not-ours': 'misplaced',
  'wrong-key': 'invalid',
  'unknown-session': 'unknown-session',
  'unknown-prekey': 'unknown-prekey',
  replay: 'replayed',
  gap: 'invalid',
  'bad-tag': 'invalid',
  'bad-key': 'invalid',
};

export function failed(reason: FailureReason | DecryptionFailure, news: News = {}): Extract<Reading, { ok: false }> {
  return {
    ok: false,
    reason: reason in REASONS ? REASONS[reason as FailureReason] : (reason as DecryptionFailure),
    news,
  };
}

/** The records that {@link receiveIn} needs. */
export function namesFor(senderId: string): string[] {
  return [NAMES.identity, NAMES.preKeys, NAMES.peer(senderId), NAMES.pin(senderId)];
}

/**
 * One step of reading what somebody has encrypted for this user: the session's step, the pin, the one-time key that it
 * used up and the acknowledgement that is due are written together, or nothing is but the note that a key has changed.
 */
export function receiveIn(
  view: View,
  account: Account,
  envelope: EncryptedEnvelope,
  policy: 'warn' | 'block',
  now: number,
): Reading {
  const { senderId } = envelope;
  const own = account.own(view);
  const step = receive(peerIn(view, senderId), own, envelope, now);
  if (!step.ok) return failed(step.reason);
  const known = pinIn(view, senderId);
  const { pin, accepted, change } = meet(senderId, known, step.identityKey, policy);
  if (pin !== known) keepPin(view, senderId, pin);
  // Nothing else is kept, so that it can be read once the key is accepted.
  if (!accepted) return failed('identity-changed', { change });
  const peer = change === undefined ? step.peer : keepIdentity(step.peer, step.identityKey);
  view.put(NAMES.peer(senderId), encodePeer(peer));
  const usedUp = step.started?.oneTimePreKeyId;
  if (usedUp !== undefined) view.put(NAMES.preKeys, encodePreKeys(consumeOneTime(own.preKeys, usedUp)));
  if (step.ackDue) {
    const ack = { id: uuidv7(), ts: now, kind: 'session-ack' } as const;
    const answer = encryptIn(view, account, senderId, ack, step.sessionId);
    if (answer.ok) postIn(view, answer.envelope);
  }
  const news: News = {
    change,
    established: step.established ? { sessionId: step.sessionId, senderId } : undefined,
    started: step.started !== undefined,
    posted: step.ackDue,
  };
  const payload = readPayload(step.plaintext);
  return payload === undefined ? failed('invalid', news) : { ok: true, payload, identityKey: step.identityKey, news };
}
