import { participantsAmong } from '../../../store/queries/threads/mentions.ts';
import type { Work } from '../../../store/engine/work.ts';
import { invalid } from '../../errors.ts';

/**
 * Requires that users are participants.
 *
 * @param known - users who were found to be participants; they are added
 * @throws CommError `INVALID`
 */
export function* requireMentioned(
  conversationId: string,
  userIds: readonly string[],
  known: Set<string> = new Set(),
): Work<void> {
  const others = userIds.filter((id) => !known.has(id));
  if (others.length === 0) return;
  const participants = yield* participantsAmong(conversationId, others);
  if (participants.size < others.length) throw invalid('mentions must be participants of the conversation');
  for (const id of participants) known.add(id);
}
