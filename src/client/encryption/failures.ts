/**
 * Why something that came from outside was refused. It changed nothing.
 *
 * - `malformed`: not in the form of NKC1, or its parts contradict one another.
 * - `not-ours`: not from this peer to this user, or not of this conversation.
 * - `wrong-key`: says an identity key that its session wasn't agreed with.
 * - `unknown-session`: a message of a session, or of a sender's chain, that isn't here (any more).
 * - `unknown-prekey`: starts a session from a prekey whose private half isn't here (any more).
 * - `replay`: was decrypted before, or starts a session that was started before.
 * - `gap`: skips more than 1,000 messages.
 * - `bad-tag`: the tag, or a member's signature, is wrong.
 * - `bad-key`: a key that must not be used: of small or mixed order, not canonical, not signed as it should be.
 */
export type FailureReason =
  | 'malformed'
  | 'not-ours'
  | 'wrong-key'
  | 'unknown-session'
  | 'unknown-prekey'
  | 'replay'
  | 'gap'
  | 'bad-tag'
  | 'bad-key';

export interface Failure {
  readonly ok: false;
  readonly reason: FailureReason;
}

export type Outcome<T> = ({ readonly ok: true } & T) | Failure;

export function failure(reason: FailureReason): Failure {
  return { ok: false, reason };
}
