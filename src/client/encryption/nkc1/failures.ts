/**
 * Why data from outside was rejected. A rejection never changes any state.
 *
 * - `malformed`: not in the NKC1 format, or its parts contradict each other.
 * - `unsupported`: in a format of a later version.
 * - `not-ours`: another sender, recipient or conversation than the one it was processed for.
 * - `wrong-key`: names another identity key than the one its session was established with.
 * - `unknown-session`: belongs to a session or sender-key chain that doesn't exist here (any more).
 * - `unknown-prekey`: starts a session with a prekey whose private key doesn't exist here (any more).
 * - `replay`: was decrypted before, or starts a session that was started before.
 * - `gap`: skips more than 1,000 messages.
 * - `bad-tag`: the authentication tag or a group member's signature is wrong.
 * - `bad-key`: an invalid key: of small or mixed order, not canonical, or without a valid signature.
 */
export type FailureReason =
  | 'malformed'
  | 'unsupported'
  | 'not-ours'
  | 'wrong-key'
  | 'unknown-session'
  | 'unknown-prekey'
  | 'replay'
  | 'gap'
  | 'bad-tag'
  | 'bad-key';

/** A rejection with its reason. */
export interface Failure {
  readonly ok: false;
  readonly reason: FailureReason;
}

/** Either a result with the fields of `T`, or a {@link Failure}. */
export type Outcome<T> = ({ readonly ok: true } & T) | Failure;

/** Creates a {@link Failure}. */
export function failure(reason: FailureReason): Failure {
  return { ok: false, reason };
}
