import type { CallRecord } from '../../cluster/call-record.ts';
import type { ResolvedConfig } from '../../config.ts';
import type { CallEvent } from './call-reducer.ts';

/** How long a group call with one participant and no pending invitation lasts. */
const ALONE_MS = 30_000;

/** An event that happens to a call at a time unless another one comes before. */
export interface CallDeadline {
  /** In ms since the epoch. */
  readonly at: number;
  readonly event: CallEvent;
}

/**
 * Returns what a call waits for, the earliest first: the timeouts of ringing and of disconnected participants, and the end of a
 * group call with one participant. Pure, so that any process can continue a call.
 */
export function deadlinesOf(
  call: CallRecord,
  { ringTimeoutMs }: Pick<ResolvedConfig, 'ringTimeoutMs'>,
): CallDeadline[] {
  const { state, seats, invitations, startedAt, aloneSince } = call;
  if (state === 'ended') return [];
  const deadlines: CallDeadline[] = [];
  for (const { userId, answer, at = startedAt } of invitations) {
    if (answer === 'pending') deadlines.push({ at: at + ringTimeoutMs, event: { type: 'unanswered', userId } });
  }
  for (const { userId, away } of seats) {
    if (away !== undefined) deadlines.push({ at: away.until, event: { type: 'left', userId, reason: away.reason } });
  }
  if (aloneSince !== undefined) deadlines.push({ at: aloneSince + ALONE_MS, event: { type: 'abandoned' } });
  return deadlines.toSorted((a, b) => a.at - b.at);
}
