import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { mapMessages } from '../../../src/server/store/queries/message-mapper.ts';
import { messageRows } from '../../../src/server/store/queries/messages.ts';
import { statement, type Params } from '../../../src/server/store/engine/statement.ts';
import { all } from '../../../src/server/store/engine/work.ts';
import { startChat, type Chat } from '../../helpers/server/chat.ts';
import { makeLumenDatabase } from '../../helpers/server/lumen-database.ts';
import { conversationRows, insertConversation } from '../../helpers/server/random-rows.ts';
import { fc } from '../../helpers/property.ts';

/** Pages are written as JSON from the columns. Everything else that the server sends is mapped from rows to messages. */
const newestFirst = statement((p: Params<{ conversationId: string }>) =>
  messageRows.where('messages.conversation_id', '=', p.conversationId).orderBy('messages.seq', 'desc'),
);
const mapped = (chat: Chat, conversationId: string) =>
  chat.store.read(function* () {
    return yield* mapMessages(yield* all(newestFirst({ conversationId })));
  });

test('a page of any database contains the messages that its rows are mapped to', async () => {
  const fields = new Set<string>();
  await fc.assert(
    fc.asyncProperty(conversationRows, fc.nat({ max: 9 }), async (rows, at) => {
      const db = new DatabaseSync(':memory:');
      const chat = await startChat({ db });
      insertConversation(db, 'c"', rows);
      const expected = await mapped(chat, 'c"');
      const page = async (query: object) => (await chat.history.page(undefined, 'c"', query)).messages;
      expect(await page({})).toBe(JSON.stringify(expected));
      for (const message of expected) for (const name of Object.keys(message)) fields.add(name);
      const place = at % expected.length;
      const id = expected[place]?.id;
      expect(await page({ before: id, limit: 3 })).toBe(JSON.stringify(expected.slice(place + 1, place + 4)));
      expect(await page({ after: id, limit: 3 })).toBe(JSON.stringify(expected.slice(Math.max(0, place - 3), place)));
      expect(await page({ around: id, limit: 1 })).toBe(JSON.stringify([expected[place]]));
      db.close();
    }),
    { numRuns: 60 },
  );
  const required = [
    'id',
    'conversationId',
    'senderId',
    'content',
    'type',
    'createdAt',
    'status',
    'readBy',
    'seq',
    'rev',
  ];
  const optional = [
    'clientId',
    'updatedAt',
    'replyTo',
    'attachment',
    'attachments',
    'encrypted',
    'envelope',
    'reactions',
    'deletedAt',
  ];
  expect([...fields].toSorted()).toEqual(
    [
      ...required,
      ...optional,
      'forwardedFrom',
      'linkPreview',
      'reactionEnvelopes',
      'metadata',
      'pinned',
      'deletedBy',
    ].toSorted(),
  );
}, 60_000);

test('a page of a database created by LumenJS contains the messages that its rows are mapped to', async () => {
  const db = new DatabaseSync(':memory:');
  makeLumenDatabase(db);
  const chat = await startChat({ db });
  for (const id of ['pair', 'crowd']) {
    const expected = await mapped(chat, id);
    expect(expected).not.toEqual([]);
    expect((await chat.history.page(undefined, id)).messages).toBe(JSON.stringify(expected));
  }
  db.close();
});
