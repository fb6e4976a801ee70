import { CommError } from '../../../protocol/errors.ts';
import { membershipOf, type PostingFacts } from '../../store/queries/members.ts';
import type { Work } from '../../store/engine/work.ts';
import { forbidden } from '../errors.ts';
import type { Caller } from '../ports.ts';

/** @throws CommError `FORBIDDEN` if the group is frozen and the member is neither owner nor admin */
export function requireUnfrozen({ role, frozen }: Pick<PostingFacts, 'role' | 'frozen'>): void {
  if (frozen && role === 'member') throw forbidden('Only the owner and admins may write in a frozen conversation');
}

/** As {@link requireUnfrozen}, for a user whose membership is not known yet. Code of the app may always write. */
export function* requireUnfrozenFor({ userId, trusted }: Caller, conversationId: string): Work<void> {
  if (trusted === true) return;
  const member = yield* membershipOf(conversationId, userId);
  if (member !== undefined) requireUnfrozen(member);
}

/**
 * Requires that the slow mode allows a member's next message.
 *
 * @param lastSentAt - ISO time of the member's last message
 * @throws CommError `RATE_LIMITED` with `retryAfterMs` and the scope `conversation`
 */
export function requireSlowMode({ role, slowModeSeconds }: PostingFacts, lastSentAt: string | null, now: string): void {
  if (slowModeSeconds === 0 || role !== 'member' || lastSentAt === null) return;
  const slowMs = slowModeSeconds * 1_000;
  // At most the whole interval, also if the clock was set back.
  const retryAfterMs = Math.min(slowMs, Date.parse(lastSentAt) + slowMs - Date.parse(now));
  if (!(retryAfterMs > 0)) return;
  const message = `The conversation allows one message in ${slowModeSeconds} s`;
  throw new CommError('RATE_LIMITED', message, { retryAfterMs, scope: 'conversation' });
}
