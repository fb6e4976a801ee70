import type { DatabaseSource } from '../../../src/server/store/engine/database-source.ts';
import { executeSql } from './execute-sql.ts';

/** Adds groups `many-0000` and so on with these members, each with one message of the first member, the last one newest. */
export async function addConversations(
  db: DatabaseSource,
  count: number,
  members: readonly string[],
): Promise<string[]> {
  const ids = Array.from({ length: count }, (_, at) => `many-${String(at).padStart(4, '0')}`);
  const groups = ids.map((id, at) => [id, new Date(1_600_000_000_000 + at * 1_000).toISOString()]);
  await executeSql(
    db,
    `INSERT INTO conversations (id, type, updated_at)
     SELECT value ->> 0, 'group', value ->> 1 FROM json_each(?) ORDER BY key`,
    [JSON.stringify(groups)],
  );
  for (const userId of members) {
    await executeSql(
      db,
      'INSERT INTO conversation_participants (conversation_id, user_id) SELECT value, ? FROM json_each(?) ORDER BY key',
      [userId, JSON.stringify(ids)],
    );
  }
  await executeSql(
    db,
    `INSERT INTO messages (conversation_id, sender_id, content) SELECT value, ?, 'hi' FROM json_each(?) ORDER BY key`,
    [members[0] ?? '', JSON.stringify(ids)],
  );
  return ids;
}
