import { sql } from 'kysely';
import type { MessageRow } from '../rows.ts';
import { statement, type Params } from '../../engine/statement.ts';
import { all, run, type Work } from '../../engine/work.ts';

interface Place {
  conversationId: string;
  rootId: number;
  seq: number;
}

const selectMembers = statement(
  (p: Params<{ conversationId: string; userIds: string }>) => sql<{ user_id: string }>`
    select p.user_id from json_each(${p.userIds}) as wanted
    cross join conversation_participants as p on p.conversation_id = ${p.conversationId} and p.user_id = wanted.value`,
);
const insertMentions = statement(
  (p: Params<Place & { senderId: string; userIds: string }>) => sql<never>`
    insert into comm_mentions (user_id, conversation_id, root_id, seq)
    select value, ${p.conversationId}, ${p.rootId}, ${p.seq} from json_each(${p.userIds}) where value <> ${p.senderId}
    on conflict do nothing`,
);
const deleteMentions = statement(
  (p: Params<Place & { userIds: string }>) => sql<never>`
    delete from comm_mentions where conversation_id = ${p.conversationId} and root_id = ${p.rootId} and seq = ${p.seq}
      and user_id in (select value from json_each(${p.userIds}))`,
);
const updateMentions = statement(
  (p: Params<{ id: number; mentions: string | null }>) => sql<never>`
    update messages set mentions = ${p.mentions} where id = ${p.id}`,
);

/** Returns those of the users who are participants. */
export function* participantsAmong(conversationId: string, userIds: readonly string[]): Work<ReadonlySet<string>> {
  const rows = yield* all(selectMembers({ conversationId, userIds: JSON.stringify(userIds) }));
  return new Set(rows.map((row) => row.user_id));
}

/** Returns the users whom a message mentions. */
export function mentionsOf({ mentions }: Pick<MessageRow, 'mentions'>): string[] {
  return mentions === null ? [] : (JSON.parse(mentions) as string[]);
}

/** Records that a message mentions users, except its sender. @param rootId - 0 for a message of the main timeline */
export function* addMentions(row: MessageRow, rootId: number): Work<void> {
  if (row.mentions === null) return;
  const { conversation_id: conversationId, seq, sender_id: senderId, mentions: userIds } = row;
  yield* run(insertMentions({ conversationId, rootId, seq, senderId, userIds }));
}

/** Replaces the mentions of a message. @returns the row with the new ones */
export function* replaceMentions(row: MessageRow, rootId: number, userIds: readonly string[]): Work<MessageRow> {
  const { conversation_id: conversationId, seq } = row;
  if (row.mentions !== null) yield* run(deleteMentions({ conversationId, rootId, seq, userIds: row.mentions }));
  const mentions = userIds.length === 0 ? null : JSON.stringify(userIds);
  yield* run(updateMentions({ id: row.id, mentions }));
  const changed = { ...row, mentions };
  yield* addMentions(changed, rootId);
  return changed;
}
