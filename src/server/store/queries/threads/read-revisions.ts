import { sql } from 'kysely';
import { statement, type Params } from '../../engine/statement.ts';
import { run, type Work } from '../../engine/work.ts';

const updateRevision = statement(
  (p: Params<{ conversationId: string; userId: string; inboxRev: number }>) => sql<never>`
    update conversation_participants set inbox_rev = ${p.inboxRev}, read_inbox_rev = ${p.inboxRev}
    where conversation_id = ${p.conversationId} and user_id = ${p.userId}`,
);

/** Records at which inbox revision the unread state of a conversation changed, for the user's devices that are offline. */
export function* touchReadMarker(conversationId: string, userId: string, inboxRev: number): Work<void> {
  yield* run(updateRevision({ conversationId, userId, inboxRev }));
}
