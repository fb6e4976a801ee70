import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { loadConversations } from '../../../src/server/store/queries/conversations.ts';
import { caller, startChat, type Chat } from '../../helpers/server/chat.ts';
import { makeLumenDatabase } from '../../helpers/server/lumen-database.ts';
import { conversationRows, insertConversation } from '../../helpers/server/random-rows.ts';
import { fc } from '../../helpers/property.ts';

/** The inbox as it was before pages were written as JSON in the order of an index: all conversations, sorted. */
async function sorted(chat: Chat, db: DatabaseSync, userId: string): Promise<object[]> {
  const ids = db
    .prepare(
      `SELECT c.id FROM conversation_participants p JOIN conversations c ON c.id = p.conversation_id
       WHERE p.user_id = ? ORDER BY replace(c.updated_at, ' ', 'T') DESC, c.id`,
    )
    .all(userId)
    .map(({ id }) => String(id));
  return await chat.store.read(() => loadConversations(userId, ids));
}

/** What an app's own SQL, also in another process, does with conversations. */
const FOREIGN: readonly string[] = [
  "UPDATE conversations SET updated_at = '2024-03-01 09:30:00' WHERE id = 'c1'",
  "UPDATE conversations SET updated_at = '2024-03-01 07:10:00' WHERE id = 'c2'",
  "UPDATE conversations SET updated_at = '2024-03-01T08:00:00.500Z'",
  "INSERT OR IGNORE INTO conversation_participants (conversation_id, user_id) VALUES ('c0', 'late')",
  "DELETE FROM conversations WHERE id = 'c1'",
  `INSERT OR IGNORE INTO conversations (id, type, updated_at) VALUES ('c9', 'group', '2024-03-01 08:30:00');
   INSERT OR IGNORE INTO conversation_participants (conversation_id, user_id) VALUES ('c9', 'user-0')`,
  `PRAGMA foreign_keys = OFF;
   INSERT OR IGNORE INTO conversation_participants (conversation_id, user_id) VALUES ('c8', 'user-0');
   INSERT OR IGNORE INTO conversations (id, type, updated_at) VALUES ('c8', 'group', '2024-03-01 10:30:00')`,
  "PRAGMA foreign_keys = OFF; DELETE FROM conversations WHERE id = 'c2'",
  "PRAGMA foreign_keys = OFF; INSERT OR IGNORE INTO conversation_participants (conversation_id, user_id) VALUES ('c7', 'user-0')",
];

test('the inbox of any database contains the conversations of the user, newest activity first', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(conversationRows, { minLength: 1, maxLength: 4 }),
      fc.array(fc.constantFrom(...FOREIGN), { maxLength: 4 }),
      fc.integer({ min: 1, max: 4 }),
      async (conversations, foreign, limit) => {
        const db = new DatabaseSync(':memory:');
        const chat = await startChat({ db });
        for (const [index, rows] of conversations.entries()) insertConversation(db, `c${index}`, rows);
        for (const sql of foreign) db.exec(sql);
        for (const userId of ['user-0', 'user-120', 'late', 'stranger']) {
          const expected = await sorted(chat, db, userId);
          const page = (query: object) => chat.conversations.page(caller(userId), query);
          expect(await page({})).toEqual({ conversations: JSON.stringify(expected), hasMore: false });
          for (let offset = 0; offset <= expected.length; offset += 1) {
            expect(await page({ limit, offset })).toEqual({
              conversations: JSON.stringify(expected.slice(offset, offset + limit)),
              hasMore: offset + limit < expected.length,
            });
          }
        }
        db.close();
      },
    ),
    { numRuns: 50 },
  );
}, 60_000);

test('the inbox of a database created by LumenJS is in the same order as before', async () => {
  const db = new DatabaseSync(':memory:');
  makeLumenDatabase(db);
  const chat = await startChat({ db });
  for (const userId of ['ada', 'bob', 'cleo', 'orphan']) {
    const { conversations } = await chat.conversations.page(caller(userId));
    expect(conversations).toBe(JSON.stringify(await sorted(chat, db, userId)));
  }
  db.close();
});
