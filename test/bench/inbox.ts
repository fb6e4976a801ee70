import { DatabaseSync } from 'node:sqlite';
import { ensureCommunicationTables } from 'lumen-comm-server';
import type { Result } from './measure.ts';
import { fetched, type RestSizes } from './rest.ts';
import { READER, series, time } from './seed.ts';

/** Inserts one member in `conversations` groups of three, with activity every ten minutes. */
export async function seedInbox(file: string, conversations: number): Promise<void> {
  const db = new DatabaseSync(file);
  await ensureCommunicationTables(db);
  db.exec(`
    PRAGMA synchronous = OFF;
    BEGIN;
    INSERT INTO comm_users (user_id, inbox_rev) VALUES ('${READER}', 1), ('one', 1), ('two', 1);
    INSERT INTO conversations (id, type, name, updated_at, seq, rev)
      SELECT printf('01900000-0000-7000-8000-%012d', value * 7919 % ${conversations}), 'group', 'Group ' || value,
        ${time('value * 600')}, 1, 1
      FROM (${series(conversations)});
    INSERT INTO conversation_participants
      (conversation_id, user_id, last_read_at, inbox_rev, joined_inbox_rev, active_hour)
      SELECT c.id, who.value, ${time('1')}, 1, 1, substr(c.updated_at, 1, 13)
      FROM conversations AS c, (SELECT user_id AS value FROM comm_users) AS who;
    INSERT INTO messages (conversation_id, sender_id, content, created_at, seq, rev, sender_seq)
      SELECT id, 'one', 'hello', updated_at, 1, 1, 1 FROM conversations;
    COMMIT;
    ANALYZE;
  `);
  db.close();
}

/** Measures a page of 50 conversations against a server that sends a static response of the same length. */
export async function inbox(
  urls: Readonly<Record<'lumen' | 'baseline', string>>,
  conversations: number,
  sizes: RestSizes,
): Promise<Result> {
  const pairs = await fetched(urls, '/__nk_comm/conversations?limit=50', READER, sizes);
  return { name: `inbox, of ${conversations.toLocaleString('en')} conversations`, unit: 'µs', pairs };
}
